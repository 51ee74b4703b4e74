"""The state of the alerts: which conditions hold, since when, and whether for long enough."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pgstack.metrics.model import Metric
from pgstack.metrics.reading import Between, Reading
from pgstack.metrics.rule import GRAVER, Rule, Seen
from pgstack.metrics.rules import (
    ERRORS_WITHIN,
    KEPT,
    LOOKED_BACK,
    LOOKED_BACK_SECONDS,
    RULES,
    queued,
)

KEPT_SECONDS = max(ERRORS_WITHIN, LOOKED_BACK_SECONDS)
QUIET = "Nothing to do."
NOTICED_SECONDS = 0.5
"""a wait for a thread that users notice, far below the alert's threshold"""


@dataclass(frozen=True)
class Alert:
    """A rule whose condition has held since a time, in seconds since 1970."""

    rule: Rule
    since: float
    fires: bool
    text: str

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return {
            "name": self.rule.name,
            "severity": self.rule.severity,
            "state": "firing" if self.fires else "pending",
            "since": self.since,
            "text": self.text,
            "panel": self.rule.panel,
        }


@dataclass
class Alerts:
    """The alerts of one exporter, which passes every scrape to `see`."""

    rules: tuple[Rule, ...] = RULES
    queued: float | None = None
    """seconds that the slowest twentieth of the last minute's requests waited for a thread"""
    _past: deque[Reading] = field(default_factory=deque)
    _since: dict[str, float] = field(default_factory=dict)

    def see(self, now: Reading) -> list[Alert]:
        """Alerts that are pending or firing: firing ones first, pages before tickets, without those
        that a graver one replaces."""
        while self._past and self._past[0].time < now.time - KEPT_SECONDS:
            self._past.popleft()
        self._past.append(now.only(KEPT))
        seen = Seen(self._filled(now), self._within)
        self.queued = queued(seen)
        held = {rule.name: alert for rule in self.rules for alert in self._judged(rule, seen)}
        alerts = [alert for name, alert in held.items() if GRAVER.get(name) not in held]
        return sorted(alerts, key=lambda a: (not a.fires, a.rule.severity != "page"))

    def _judged(self, rule: Rule, seen: Seen) -> Iterator[Alert]:
        value = rule.value(seen)
        if value is None:
            self._since.pop(rule.name, None)
            return
        since = self._since.setdefault(rule.name, seen.now.time)
        fires = seen.now.time - since >= rule.seconds
        yield Alert(rule, since, fires, rule.text.format(value))

    def _filled(self, now: Reading) -> Reading:
        """With the last known values of the metrics in LOOKED_BACK."""
        for metric in LOOKED_BACK:
            if not now.has(metric):
                known = self._known(LOOKED_BACK_SECONDS, metric)
                now = now.filled(known[-1].only([metric])) if known else now
        return now

    def _within(self, seconds: float, metric: Metric) -> Between | None:
        known = self._known(seconds, metric)
        return Between(known[0], known[-1]) if len(known) > 1 else None

    def _known(self, seconds: float, metric: Metric) -> list[Reading]:
        """Readings of the last so many seconds that have the metric."""
        begin = self._past[-1].time - seconds
        return [reading for reading in self._past if reading.time >= begin and reading.has(metric)]


def verdict(
    alerts: Iterable[Alert], down: Iterable[str] = (), waited: float | None = None
) -> dict[str, str]:
    """Whether anybody has to act. `down` are sources that do not answer, `waited` is
    Alerts.queued."""
    holding, silent = list(alerts), list(down)
    firing = [alert for alert in holding if alert.fires]
    if any(alert.rule.severity == "page" for alert in firing):
        return {"level": "bad", "text": firing[0].text}
    if firing:
        return {"level": "warn", "text": firing[0].text}
    if holding:
        return {"level": "warn", "text": f"It begins: {holding[0].text}"}
    if silent:
        return {"level": "warn", "text": f"No figures of {', '.join(silent)}."}
    if waited is not None and waited >= NOTICED_SECONDS:
        text = f"No alert, but users wait: one request in twenty {waited:.1f} s for a free thread."
        return {"level": "warn", "text": text}
    return {"level": "good", "text": QUIET}
