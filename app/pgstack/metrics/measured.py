"""The load of a stack in the busiest minutes that its exporter remembers.

Work and waits are counted in requests at a time, on average: by Little's law that is how many
arrive per second, times how long each of them stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgstack.errors import ProbeError

BUSIEST_SECONDS = 300.0
"""window to judge by: an average over an hour hides its peak"""
LEAST_SECONDS, LEAST_REQUESTS = 60.0, 200
"""less than this says little about the next hour"""
SETTLE_SECONDS = 10.0
"""after a plan was written, which are left out: they show the change itself"""
AT_ONCE = ("queue", "python", "pool_wait", "sql")


@dataclass(frozen=True)
class Measured:
    """A window: rates per second, and requests at a time."""

    seconds: float
    of: float
    """seconds that it was chosen from"""
    requests: float
    """per second"""
    queue: float
    """requests at a time that wait for a thread"""
    python: float
    """that run Python, or wait for the interpreter's lock"""
    pool_wait: float
    """that wait for a backend"""
    sql: float
    """that wait for PostgreSQL"""
    lent: float
    """backends in use"""
    workers: float
    """Apache's busy workers, at the peak"""
    lock_waiters: float
    cpu: float | None = None
    """share of the machine's processors"""
    p99: float | None = None
    """99th percentile of a request in seconds, in the worst five seconds"""
    memory: float | None = None
    """bytes of the largest web process"""
    statements: tuple[dict[str, Any], ...] = field(default=())

    def each(self, at_once: float) -> float:
        """Seconds per request of something that so many do at a time."""
        return at_once / self.requests if self.requests else 0.0


def measured(
    figures: Mapping[str, Any],
    memory: float | None = None,
    statements: Sequence[dict[str, Any]] = (),
    last: float | None = None,
) -> Measured:
    """From the exporter's figures since the plan in force was written, or of the `last` seconds.
    Raises ProbeError if they are too few to judge by."""
    lines, interval, known = figures["lines"], figures["interval"], _known(figures, last)
    least = min(LEAST_SECONDS, last or LEAST_SECONDS)
    window = _busiest(known, lines, round(BUSIEST_SECONDS / interval))
    _require_enough(
        len(known) * interval,
        least,
        sum(lines["requests"][place] for place in window) * interval,
        interval,
    )

    def of(name: str) -> list[float]:
        return [lines[name][place] for place in window if lines[name][place] is not None]

    def mean(name: str) -> float:
        return math.fsum(of(name)) / len(of(name)) if of(name) else 0.0

    return Measured(
        seconds=len(window) * interval,
        of=len(known) * interval,
        requests=mean("requests"),
        **{name: mean(name) for name in AT_ONCE},
        lent=mean("pool"),
        workers=max(of("workers"), default=0.0),
        lock_waiters=mean("lock_waiters"),
        cpu=mean("cpu") if of("cpu") else None,
        p99=max(of("p99"), default=None),
        memory=memory,
        statements=tuple(statements),
    )


def _known(figures: Mapping[str, Any], last: float | None) -> list[int]:
    """Indices of the points that count, and that have a value in every line needed."""
    begin = (figures["facts"]["planned"] or 0) + SETTLE_SECONDS
    if last is not None:
        begin = max(begin, figures["now"] - last)
    lines = figures["lines"]
    return [
        place
        for place, at in enumerate(figures["time"])
        if at >= begin and all(lines[name][place] is not None for name in ("requests", *AT_ONCE))
    ]


def _require_enough(seconds: float, least: float, requests: float, interval: float) -> None:
    """Raise ProbeError if so many requests in so many seconds say little about the next hour."""
    if seconds < least - interval:
        raise ProbeError(
            f"the plan in force was measured for {seconds:g} s: too short to judge by "
            f"({least:g} s). Ask again in {least - seconds:g} s."
        )
    if requests < LEAST_REQUESTS:
        raise ProbeError(
            f"{requests:.0f} requests in {seconds:g} s: too few to judge by ({LEAST_REQUESTS}). "
            "Let it serve, or put it under load."
        )


def _busiest(known: list[int], lines: Mapping[str, Any], points: int) -> list[int]:
    """So many points in a row in which the load was highest."""
    load = [math.fsum(lines[name][place] for name in AT_ONCE) for place in known]
    starts = range(max(1, len(known) - points + 1))
    first = max(starts, key=lambda start: math.fsum(load[start : start + points]))
    return known[first : first + points]
