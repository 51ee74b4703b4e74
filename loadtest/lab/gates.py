"""When a trial, or a whole run, says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from loadtest.lab.generator import BUSY
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import Trial
from loadtest.lab.yardstick import SLOW

AGREEMENT = 0.01
"""share by which counts of the same requests may differ"""
FULL_BLOCKS = 10
"""a full run has as many blocks or more; only it claims anything about the goals"""
SAME = 0.03
"""two runs of one strategy in a full run differ by no more than this share"""
STALLED = 0.5
"""a turn with less than this part of the usual rate: something else had the machine"""
SPARE_SESSIONS = 8
"""that a strategy which keeps its connections may open besides: broken ones, housekeeping"""
RECONNECTING = 0.05
"""share by which connections may differ from requests when each request makes its own"""
PARSED = 0.1
"""statements parsed for each request when they are prepared: each backend parses each of them
once"""

Mode = Literal["reconnects", "keeps"]


@dataclass(frozen=True)
class Expected:
    """What a request does: `transactions` of the pooler, None when that is not known, within
    `agreement`; `connections` of a strategy that reconnects."""

    transactions: float | None = 1
    connections: float = 1
    agreement: float = AGREEMENT


ONE_EACH = Expected()


def reasons(
    trial: Trial,
    mode: Mode | None = None,
    expected: Expected = ONE_EACH,
    *,
    prepared: bool = False,
) -> tuple[str, ...]:
    """Why `trial` is void; empty when it counts.

    `mode` is what the strategy says of its connections to the database, None when it says nothing.
    `prepared` says that a backend parses a statement once.
    """
    answers = (
        _failures(trial),
        _generator(trial),
        _machine(trial),
        _mode(trial, mode, expected.connections),
        _prepared(trial) if prepared else None,
        _agrees(
            trial,
            "pooler counted",
            trial.transactions,
            expected.transactions,
            expected.agreement,
        ),
        _agrees(trial, "access log has", trial.logged, 1, AGREEMENT),
    )
    return tuple(reason for reason in answers if reason)


def disturbed(trial: Trial) -> bool:
    """Whether the machine itself was slow meanwhile, whatever it was that was measured."""
    return _machine(trial) is not None


def _failures(trial: Trial) -> str | None:
    """A rate with failures is not a capacity: a failure costs less work than an answer."""
    if trial.purpose == "open":
        return None
    if not trial.requests:
        return "no request was answered"
    if trial.failures or trial.unanswered:
        return f"{trial.failures} failed and {trial.unanswered} unanswered requests"
    return None


def _generator(trial: Trial) -> str | None:
    if trial.generator_cpu <= BUSY:
        return None
    return f"generator used {trial.generator_cpu:.0%} of its core, more than {BUSY:.0%}"


def _machine(trial: Trial) -> str | None:
    """Trials that take turns are slowed down alike, unless all but stopped in some of the turns."""
    if trial.beside is not None:
        return _stalled(trial.rates)
    if trial.slowness is None or trial.slowness <= SLOW * trial.usual:
        return None
    return (
        f"the machine was {trial.slowness / trial.usual - 1:.0%} slower than when the capacity was "
        f"measured"
    )


def _stalled(rates: Sequence[float]) -> str | None:
    usual = median(rates) if rates else 0.0
    stalled = sum(rate < STALLED * usual for rate in rates)
    return (
        f"{stalled} of {len(rates)} turns had less than half of the usual rate" if stalled else None
    )


def _mode(trial: Trial, mode: Mode | None, connections: float) -> str | None:
    """Proof of mode: a connection for each request that was sent, or no more than were ever needed
    at once."""
    if mode is None or trial.sessions is None:
        return None
    if mode == "keeps":
        kept = max(trial.load.users, trial.backends) + SPARE_SESSIONS
        return (
            f"{trial.sessions} connections opened, more than {kept}: not kept"
            if trial.sessions > kept
            else None
        )
    wanted = trial.sent * connections
    if abs(trial.sessions - wanted) <= wanted * RECONNECTING:
        return None
    number = "one" if connections == 1 else f"{connections:g}"
    return f"{trial.sessions} connections for {trial.sent} requests: not {number} for each"


def _prepared(trial: Trial) -> str | None:
    if trial.parses is None or trial.parses <= trial.sent * PARSED:
        return None
    return f"{trial.parses} statements parsed for {trial.sent} requests: not prepared"


def _agrees(
    trial: Trial, who: str, count: int | None, per_request: float | None, agreement: float
) -> str | None:
    if count is None or per_request is None or trial.failures or trial.unanswered:
        return None
    expected = trial.sent * per_request
    if abs(count - expected) <= expected * agreement:
        return None
    return f"{who} {count}, expected {expected:.0f} for {trial.sent} requests"


def pair(ratio: Estimate | None, blocks: int) -> tuple[str, ...]:
    """Why a run of `blocks` blocks claims nothing, from the ratio of its A/A pair; empty when it
    may claim."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return ("there are too few valid blocks of the A/A pair for an interval",)
    doubts = []
    shown = f"the A/A pair gives {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
    if not ratio.contains(1):
        doubts.append(f"{shown}, which does not contain 1")
    if blocks >= FULL_BLOCKS and (ratio.low < 1 - SAME or ratio.high > 1 + SAME):
        doubts.append(f"{shown}, which is not within ±{SAME:.0%}")
    return tuple(doubts)
