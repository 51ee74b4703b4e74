"""What is wrong now, by the thresholds of observability/alerts.yml (pgstack.metrics.rules).

An alert waits until what it tells of has lasted; whoever asks now wants to know now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from pgstack.metrics.reading import Between, Reading
from pgstack.metrics.rules import RULES, Rule, Seen
from pgstack.metrics.screen import RUNBOOKS

SHARED = {
    "CertificateEndsSoon": "CertificateEnds",
    "TransactionIdsAge": "TransactionIdsRunOut",
}
"""rules that have the section of a graver one, which takes their place"""


@dataclass(frozen=True)
class Problem:
    """A rule whose threshold is passed."""

    name: str
    severity: str
    text: str
    runbook: str
    """file and section that say what to do"""


def verdict(readings: Sequence[Reading], rules: Iterable[Rule] = RULES) -> list[Problem]:
    """What is wrong at the last of `readings`, pages first; what is counted is judged by how it
    rose within them, so that from one alone nothing is known of it."""
    seen = Seen(readings[-1], partial(_within, readings))
    found = [
        Problem(rule.name, rule.severity, rule.text.format(value), runbook(rule.name))
        for rule in rules
        if (value := rule.value(seen)) is not None
    ]
    names = {problem.name for problem in found}
    graver = [problem for problem in found if SHARED.get(problem.name) not in names]
    return sorted(graver, key=lambda problem: problem.severity != "page")


def runbook(name: str) -> str:
    """Where a rule's page is."""
    return f"{RUNBOOKS}#{SHARED.get(name, name).lower()}"


def _within(readings: Sequence[Reading], seconds: float) -> Between | None:
    last = readings[-1]
    first = next(one for one in readings if one.time >= last.time - seconds)
    return Between(first, last) if first is not last else None
