"""What the stack must show, as data, and whether a run showed it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtest.lab import gates, queueing, summary
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import IN_PROCESS, REFERENCE, WRK, Results
from loadtest.lab.summary import Ladder, Offered, Row

Kind = Literal["ratio", "backends", "ladder", "tail", "limit", "agreement"]
Verdict = Literal["met", "missed", "not claimed"]

PAGE = "/db"
"""that the goals are about"""
OWN_SHARE = (0.65, 0.75)
"""offered rate ÷ capacity that counts as 70 % of it"""


@dataclass(frozen=True)
class Goal:
    """Numerator ÷ denominator is at least `bound` (`most`: at most) with `users` users."""

    name: str
    kind: Kind
    denominator: str
    bound: float
    users: int = 16
    most: bool = False
    numerator: str = REFERENCE


GOALS = (
    Goal("over reconnecting, TCP + TLS + SCRAM", "ratio", "reconnect-tcp", 12),
    Goal("over reconnecting, socket and peer", "ratio", "reconnect-socket", 6),
    Goal("of a direct persistent connection", "ratio", "patched-signal", 0.95),
    Goal(
        "backends of a direct persistent connection", "backends", "patched-signal", 0.5, most=True
    ),
    Goal("of psycopg's pool", "ratio", "psycopg-pool", 1),
    Goal("of SQLAlchemy's pool", "ratio", "sqlalchemy-pool", 1),
    Goal("of Pgpool-II", "ratio", "pgpool", 1),
    Goal("of a pooling backend", "ratio", "custom-backend", 1),
    Goal("of its own best with 256 users, without an error", "ladder", REFERENCE, 0.95, users=256),
    Goal("corrected p99 of that of a mere queue at 70 %", "tail", REFERENCE, 1.5, most=True),
    Goal("of the application in a loop, without HTTP", "limit", IN_PROCESS, 0.62),
    Goal("away from what wrk measures", "agreement", WRK, 0.05, most=True),
)


@dataclass(frozen=True)
class Judged:
    """A goal with what was measured for it. `why` says why nothing is claimed, else it is empty."""

    goal: Goal
    verdict: Verdict
    measured: Estimate | None
    reason: str = ""


@dataclass(frozen=True)
class Facts:
    """What the goals are judged by: label → row, ladders, strategy → open loops; `doubts` of the
    A/A pair."""

    results: Results
    rows: Mapping[str, Row]
    ladders: Sequence[Ladder]
    open_loops: Mapping[str, Sequence[Offered]]
    doubts: Sequence[str]


def judge(facts: Facts, goals: Sequence[Goal] = GOALS) -> tuple[Judged, ...]:
    """A verdict for each goal. A ratio is met when the worse end of its interval meets it; a figure
    that was measured once has no interval and is judged by its value. Only a full run of PAGE with
    a sound A/A pair claims."""
    return tuple(_judged(facts, goal) for goal in goals)


def _judged(facts: Facts, goal: Goal) -> Judged:
    measured = _MEASURES[goal.kind](facts, goal)
    if reason := _silence(facts, goal, measured):
        return Judged(goal, "not claimed", measured, reason)
    assert measured is not None
    end = measured.high if goal.most else measured.low
    worst = measured.value if end is None else end
    met = worst <= goal.bound if goal.most else worst >= goal.bound
    return Judged(goal, "met" if met else "missed", measured)


def _silence(facts: Facts, goal: Goal, measured: Estimate | None) -> str:
    results = facts.results
    if results.page != PAGE:
        return f"the goals are about {PAGE}, not {results.page}"
    if results.blocks < gates.FULL_BLOCKS:
        return f"{results.blocks} blocks; a full run has {gates.FULL_BLOCKS} or more"
    if facts.doubts:
        return "the A/A pair failed"
    if measured is None:
        return "not measured"
    if goal.kind in ("ratio", "limit") and measured.blocks < gates.FULL_BLOCKS:
        return f"{measured.blocks} valid blocks; a claim takes {gates.FULL_BLOCKS}"
    return ""


def _ratio(facts: Facts, goal: Goal) -> Estimate | None:
    row = facts.rows.get(goal.denominator)
    return row.ratio if row and _compares(facts.results, goal) else None


def _backends(facts: Facts, goal: Goal) -> Estimate | None:
    ours, theirs = facts.rows.get(goal.numerator), facts.rows.get(goal.denominator)
    if (
        not ours
        or not theirs
        or not ours.backends
        or not theirs.backends
        or not _compares(facts.results, goal)
    ):
        return None
    return _once(ours.backends / theirs.backends)


def _ladder(facts: Facts, goal: Goal) -> Estimate | None:
    """An error there is a rate of nothing: the goal asks for none."""
    steps = next(
        (ladder.steps for ladder in facts.ladders if ladder.strategy == goal.numerator), ()
    )
    at = next((step for step in steps if step.users == goal.users), None)
    best = max((step.rate for step in steps if step.rate), default=None)
    if at is None or best is None or (at.rate is None and not at.errors):
        return None
    return _once(0.0 if at.errors or at.rate is None else at.rate / best)


def _tail(facts: Facts, goal: Goal) -> Estimate | None:
    """To the 99th percentile of a queue whose service times are those of a single user: what is
    left is not the queue's own."""
    row, alone = facts.rows.get(goal.numerator), summary.alone(facts.results, goal.numerator)
    capacity = row.rate.value if row and row.rate else None
    if capacity is None or alone is None:
        return None
    servers = len(facts.results.machine.stack_cores)
    for offered in facts.open_loops.get(goal.numerator, ()):
        share = offered.rate / capacity
        if OWN_SHARE[0] <= share <= OWN_SHARE[1] and offered.corrected and not offered.void:
            times, fixed = queueing.service(alone, capacity, servers)
            own = queueing.percentile(99, offered.rate, servers, times, fixed)
            return _once(math.inf if offered.errors else offered.corrected.p99 / own)
    return None


def _limit(facts: Facts, goal: Goal) -> Estimate | None:
    return summary.limit(facts.results, goal.denominator)


def _agreement(facts: Facts, goal: Goal) -> Estimate | None:
    """Distance of the two generators' rates, as a share."""
    estimate = _limit(facts, goal)
    return _once(abs(estimate.value - 1), estimate.blocks) if estimate else None


def _once(value: float, times: int = 1) -> Estimate:
    return Estimate(value, None, None, times)


def _compares(results: Results, goal: Goal) -> bool:
    users = {trial.load.users for trial in results.trials if trial.purpose == "block"}
    return users == {goal.users} and results.reference == goal.numerator


_MEASURES = {
    "ratio": _ratio,
    "backends": _backends,
    "ladder": _ladder,
    "tail": _tail,
    "limit": _limit,
    "agreement": _agreement,
}
