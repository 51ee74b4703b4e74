"""COMPARE=old.json: is this run slower than an earlier one of the same machine?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadtest.lab import intervals, summary
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import Results
from pgstack.errors import InputError

OK, FAILED = 0, 1
GIB = 1 << 30
MARGIN = 0.03
"""as `gates.SAME`: two runs of one thing may differ so much in a full run, and on another day more
than in a block"""

Verdict = Literal["regression", "improvement", "no change shown", "too few blocks"]


@dataclass(frozen=True)
class Change:
    """New rate ÷ old rate of a label."""

    label: str
    ratio: Estimate | None
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Two runs. `only_old` and `only_new` name labels that one of them lacks."""

    changes: tuple[Change, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    versions: dict[str, tuple[str, str]]
    """what was updated → (old, new)"""


def require_same(new: Results, old: Results, who: str) -> None:
    """Raise InputError, in the name of the input `who`, unless both runs are of one machine, suite,
    page and load."""
    then, now = _identity(old), _identity(new)
    differing = [
        f"{name} is {now[name]}, was {then[name]}" for name in now if now[name] != then[name]
    ]
    if differing:
        raise InputError(
            f"{who}: {'; '.join(differing)}. Only runs of the same machine and load belong "
            f"together."
        )


def compare(new: Results, old: Results) -> Comparison:
    """Change of each label that both runs measured; they must be the same as in `require_same`."""
    ours, theirs = _labels(new), _labels(old)
    now, then = _software(new), _software(old)
    return Comparison(
        tuple(_change(new, old, label) for label in ours if label in theirs),
        tuple(label for label in theirs if label not in ours),
        tuple(label for label in ours if label not in theirs),
        {
            name: (then.get(name, "none"), now.get(name, "none"))
            for name in sorted(now.keys() | then.keys())
            if now.get(name) != then.get(name)
        },
    )


def status(comparison: Comparison) -> int:
    """Exit status: FAILED when something became slower."""
    return FAILED if any(change.verdict == "regression" for change in comparison.changes) else OK


def _change(new: Results, old: Results, label: str) -> Change:
    ratio = intervals.change(
        intervals.rates(new.trials, label), intervals.rates(old.trials, label), seed=new.seed
    )
    if ratio is None or ratio.low is None or ratio.high is None:
        return Change(label, ratio, "too few blocks")
    if ratio.high < 1 - MARGIN:
        return Change(label, ratio, "regression")
    return Change(label, ratio, "improvement" if ratio.low > 1 + MARGIN else "no change shown")


def _labels(results: Results) -> tuple[str, ...]:
    blocks = {trial.label for trial in results.trials if trial.purpose == "block"}
    return tuple(label for label in summary.labels(results) if label in blocks)


def _identity(results: Results) -> dict[str, object]:
    """What must be the same. The kernel is not: an update of it is a change to be judged like any
    other."""
    machine = results.machine
    return {
        "version": results.version,
        "suite": results.suite,
        "page": results.page,
        "users": results.users,
        "processor": machine.processor,
        "cores": machine.cores,
        "memory": f"{machine.memory_bytes / GIB:.0f} GiB",
        "stack_cores": machine.stack_cores,
        "generator_cores": machine.generator_cores,
    }


def _software(results: Results) -> dict[str, str]:
    return {**results.versions, "kernel": results.machine.kernel, "Debian": results.machine.debian}
