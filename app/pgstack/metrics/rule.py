"""What a rule is: a value of a scrape or of minutes, its threshold, and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pgstack.metrics.model import Metric
from pgstack.metrics.reading import Between, Reading
from pgstack.metrics.screen import RUNBOOKS
from pgstack.metrics.sources import UP

GRAVER = {
    "CertificateEndsSoon": "CertificateEnds",
    "TransactionIdsAge": "TransactionIdsRunOut",
}
"""rules that another one replaces, with which they share a section of the runbook"""


@dataclass(frozen=True)
class Seen:
    """What a rule judges by: the present, and how counters rose until then."""

    now: Reading
    within: Callable[[float, Metric], Between | None]
    """the first and the last reading of so many seconds that have the metric"""


Judged = tuple[float, float] | None
"""a value and the threshold that it must not exceed; None if either is unknown"""


@dataclass(frozen=True)
class Rule:
    """One alert."""

    name: str
    severity: Literal["page", "ticket"]
    seconds: float
    """for which its condition has to hold"""
    text: str
    """of the value"""
    panel: int
    """of the page, where to look"""
    judge: Callable[[Seen], Judged]

    def value(self, seen: Seen) -> float | None:
        """The value, if it exceeds the threshold."""
        judged = self.judge(seen)
        return judged[0] if judged and judged[0] > judged[1] else None

    @property
    def runbook(self) -> str:
        """File and section that say what to do."""
        return f"{RUNBOOKS}#{GRAVER.get(self.name, self.name).lower()}"


def down(source: str) -> Callable[[Seen], Judged]:
    """Whether a source does not answer."""

    def judge(seen: Seen) -> Judged:
        up = seen.now.value(UP, source)
        return None if up is None else (1 - up, 0)

    return judge
