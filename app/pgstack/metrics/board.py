"""What the page shows: the lines of the last hour, alerts, and the present state."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pgstack.live.probes.exporter import RANGES
from pgstack.metrics import ages, lines, machine, planned, postgres, statements, web
from pgstack.metrics.alerts import Alert, Alerts, verdict
from pgstack.metrics.history import INTERVAL_SECONDS, History
from pgstack.metrics.model import Metric, Sample
from pgstack.metrics.reading import Between, Reading
from pgstack.metrics.sources import UP
from pgstack.planning.plan import Plan

LOOKED_SECONDS = 30.0
"""after a request, during which the page counts as being watched"""
SOURCES = ("site", "apache", "wsgi", "pgbouncer", "postgresql")
FACTS: dict[str, Metric] = {
    "backup": ages.BACKUP,
    "backup_oldest": planned.BACKUP,
    "certificate": ages.CERTIFICATE,
    "planned": planned.WRITTEN,
    "postgresql": lines.MOMENTS["start"][0],
    "disk_free": machine.FREE,
    "memory_available": machine.AVAILABLE,
    "idle_in_transaction": postgres.IDLE,
    "oldest": postgres.OLDEST,
    "lock_waiters": postgres.WAITERS,
    "blocker": postgres.BLOCKER,
    "blocker_waiters": postgres.BLOCKED,
    "blocker_seconds": postgres.BLOCKS,
}


class Board:
    """Fed by every scrape that the exporter makes itself, and read by the page."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._history, self._alerts = History(lines.NAMES), Alerts()
        self._last: Reading | None = None
        self._found: list[Alert] = []
        self._details: dict[str, Any] = {}
        self._asked = -LOOKED_SECONDS

    def is_watched(self) -> bool:
        """Whether anybody is watching; only then is PostgreSQL asked for more than metrics."""
        return time.monotonic() - self._asked < LOOKED_SECONDS

    def detail(self, answers: dict[str, Any]) -> None:
        """Take PostgreSQL's answers to statements.QUERIES; none while nobody is watching."""
        self._details = statements.told(answers) if set(statements.QUERIES) & set(answers) else {}

    def see(self, samples: Iterable[Sample], now: float) -> None:
        """Take a scrape, made at a time in seconds since 1970."""
        reading = Reading(samples, now)
        with self._lock:
            before, self._last = self._last, reading
            if before is None:
                return
            self._history.add(now, lines.point(Between(before, reading)))
            for moment, kind, text in _happened(before, reading):
                self._history.mark(moment, kind, text)
            firing = {alert.rule.name for alert in self._found if alert.fires}
            self._found = self._alerts.see(reading)
            for alert in self._found:
                if alert.fires and alert.rule.name not in firing:
                    self._history.mark(alert.since, "alert", alert.rule.name)

    def text(self, since: float, plan: Plan) -> bytes:
        """The page's figures as JSON, with the lines since a time in seconds since 1970."""
        self._asked = time.monotonic()
        with self._lock:
            return json.dumps(self._json(since, plan)).encode()

    def _json(self, since: float, plan: Plan) -> dict[str, Any]:
        now = self._last
        if now is None:
            return {"now": None, "verdict": {"level": "warn", "text": "It has just started."}}
        down = [source for source in SOURCES if now.value(UP, source) == 0]
        return {
            "now": now.time,
            "interval": INTERVAL_SECONDS,
            "ranges": list(RANGES) if plan.observability else [],
            "stack": f"{plan.names.title}, {plan.target}, Debian {plan.debian}",
            "verdict": verdict(self._found, down, self._alerts.queued),
            "alerts": [alert.as_json() for alert in self._found],
            "down": down,
            "limits": lines.limits(now),
            "facts": {name: now.value(metric) for name, metric in FACTS.items()}
            | {"web": _youngest(now), "disk_days": self._history.days_left("disk_free")},
            **self._details,
            **self._history.since(since),
        }


def _happened(before: Reading, now: Reading) -> Iterator[tuple[float, str, str]]:
    """Events that are drawn as marks: when, kind and text."""
    for kind, (metric, text) in lines.MOMENTS.items():
        last, moment = before.largest(metric), now.largest(metric)
        if last is not None and moment is not None and moment - last > 1:
            yield moment, kind, text


def _youngest(now: Reading) -> float | None:
    return now.largest(web.SINCE)
