"""Where the CPU time goes: by component, and what connecting costs against what a request costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from loadtest.lab import intervals
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import Results, Trial

COMPONENTS = {"web": "web", "python": "Python", "pooler": "pooler", "database": "database"}
"""in the order of a request's way, with the name that is shown"""
DIRECT = "patched-signal"
"""persistent and straight to the database: a request without connecting"""
OUT_OF_THE_BOX = "reconnect-tcp"
RECONNECTING = (OUT_OF_THE_BOX, "reconnect-socket")
US_PER_S, US_PER_MS = 1_000_000, 1000


@dataclass(frozen=True)
class Connect:
    """What a new connection for each request costs, in CPU milliseconds."""

    strategy: str
    connect_ms: float
    """k: CPU per request beyond that of a direct persistent connection"""
    request_ms: float
    """c: CPU per request of a direct persistent connection"""
    measured: Estimate | None
    """rate of the direct persistent strategy ÷ rate of this one"""

    @property
    def predicted(self) -> float:
        """1 + k/c: that ratio, if CPU time were all that counts."""
        return 1 + self.connect_ms / self.request_ms


def per_request(trials: Iterable[Trial]) -> dict[str, float]:
    """CPU microseconds per answered request by component, over all valid trials together; empty
    without a request."""
    valid = [trial for trial in trials if not trial.void]
    requests = sum(trial.requests for trial in valid)
    names = dict.fromkeys(name for trial in valid for name in trial.cpu_seconds)
    if not requests:
        return {}
    return {
        name: US_PER_S * sum(t.cpu_seconds.get(name, 0.0) for t in valid) / requests
        for name in names
    }


def connecting(results: Results, costs: Mapping[str, Mapping[str, float]]) -> tuple[Connect, ...]:
    """Connect cost of each reconnecting strategy; `costs` is strategy → per_request. Empty when one
    is missing."""
    request = _total_ms(costs.get(DIRECT, {}))
    if not request:
        return ()
    relative = partial(intervals.relative, results.trials, reference=results.reference)
    totals: Sequence[tuple[str, float]] = [
        (name, _total_ms(costs.get(name, {}))) for name in RECONNECTING
    ]
    return tuple(
        Connect(
            name,
            total - request,
            request,
            intervals.ratio(relative(DIRECT), relative(name), results.seed),
        )
        for name, total in totals
        if total
    )


def _total_ms(cost: Mapping[str, float]) -> float:
    return sum(cost.values()) / US_PER_MS
