"""How long requests have waited for a free thread lately. That is the first queue of the stack:
PgBouncer never sees more clients than there are threads."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from pgstack.planning.state import current_plan
from pgstack.serving import measured, meter

WITHIN = 10.0
"""Seconds that are looked back."""


@dataclass(frozen=True)
class Counted:
    """Of all web processes since they measure: how many requests, and how long they waited in
    sum."""

    at: float
    requests: float
    seconds: float


@dataclass
class Queue:
    """Asked now and then, it says what was between."""

    _seen: deque[Counted] = field(default_factory=deque)

    def wait(self, now: Counted) -> float | None:
        """Mean wait in seconds of the requests since the first look of the last seconds; None where
        nobody has looked, or there was no request."""
        while self._seen and self._seen[0].at < now.at - WITHIN:
            self._seen.popleft()
        self._seen.append(now)
        first = self._seen[0]
        requests = now.requests - first.requests
        return (now.seconds - first.seconds) / requests if requests > 0 else None


def counted() -> Counted | None:
    """As it is now; None where nothing is measured."""
    plan, queue = current_plan(), meter.QUEUE
    if plan.metrics is None:
        return None
    try:
        processes = [process.cells for process in measured.read(plan)]
    except OSError:
        return None
    requests = sum(sum(cells[queue.first : queue.sum]) for cells in processes)
    return Counted(time.monotonic(), requests, sum(cells[queue.sum] for cells in processes))
