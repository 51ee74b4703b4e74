"""Strategies one after another, each on a stack of its own, and their ratios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gevent  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from loadtest import figures, lab
from loadtest.figures import Result
from loadtest.inputs import WARM_SECONDS, Load
from loadtest.strategies import REFERENCE

Measure = Callable[[str, Load], Result]


@dataclass(frozen=True)
class Trial:
    """What one strategy did; `backends` in the middle of the run, `connects` during all of it."""

    result: Result
    backends: int
    connects: int


def trial(strategy: str, load: Load, measure: Measure, console: Console) -> Trial:
    """Start, load and remove a stack with `strategy`."""
    console.print(f"{strategy}: starting a stack of its own")
    with lab.running(strategy) as stack:
        before = stack.sessions()
        middle = gevent.spawn_later(WARM_SECONDS + load.seconds / 2, stack.backends)
        result = measure(stack.url, load)
        return Trial(result, middle.get(), stack.sessions() - before)


def report(trials: dict[str, Trial], load: Load, console: Console) -> None:
    """The table; ratios only when the reference was among the strategies."""
    title = f"{load.page}, {load.users} users, {load.seconds} s each"
    table = Table(title=title, caption=f"ratio: {REFERENCE}'s requests/s to this strategy's")
    table.add_column("strategy")
    for heading in ("req/s", "p50 ms", "p99 ms", "failed", "backends", "connects", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    rates = {name: found.result.rate for name, found in trials.items()}
    ratios = figures.ratios(rates, of=REFERENCE) if REFERENCE in rates else {}
    for name, found in trials.items():
        result, ratio = found.result, ratios.get(name)
        table.add_row(
            name, f"{result.rate:.0f}", f"{result.p50:.1f}", f"{result.p99:.1f}", str(result.failures),
            str(found.backends), str(found.connects), f"{ratio:.2f}×" if ratio else "",
        )  # fmt: skip
    console.print(table)
    for name, found in trials.items():
        if found.result.generator > figures.BUSY_GENERATOR:
            console.print(f"{name}: the generator was busy for most of a core; the stack may be faster than this.")
        for reason in found.result.reasons:
            console.print(f"{name} failed: {reason}", markup=False)
