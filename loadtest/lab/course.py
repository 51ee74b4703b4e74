"""What every run does, on the lab's own stack or on a host: trial after trial, then the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from loadtest.lab import compare, gates, interrupts, summary
from loadtest.lab.analysis import analyse, status
from loadtest.lab.design import Slot
from loadtest.lab.generator import Progress as Event
from loadtest.lab.model import Load, Results, Trial
from loadtest.lab.progress import Meter
from loadtest.lab.report import terminal, words
from loadtest.lab.store import Journal, report
from loadtest.lab.yardstick import Yardstick
from pgstack.planning.layout import CHECKOUT

RESULTS = CHECKOUT / "loadtest/results"
UNKNOWN_RATE = 100.0
"""requests/s offered to what has shown no capacity: there is nothing to take a share of"""

Make = Callable[[Slot, Load, Callable[[Event], None]], Sequence[Trial]]
"""Measures a slot under a load, its own trial first, and judges whether each counts."""


def root(environment: Mapping[str, str]) -> Path:
    """Directory of all runs."""
    return Path(environment.get("RESULTS") or RESULTS).resolve()


def new(root: Path) -> Path:
    """Directory of a run that begins now."""
    return root / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")


def now() -> str:
    """The time in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def load(slot: Slot, page: str, seconds: float, capacity: float | None) -> Load:
    """What `slot` asks the generator for; an open loop comes at its share of `capacity`, in
    requests/s."""
    if slot.share is None:
        return Load(kind="closed", page=page, users=slot.users, seconds=seconds)
    rate = round(slot.share * capacity, 1) if capacity else UNKNOWN_RATE
    return Load(kind="open", page=page, users=slot.users, rate=rate, seconds=seconds)


def measure(
    journal: Journal,
    slots: Iterable[Slot],
    ask: Callable[[Slot, Results], Load],
    make: Make,
    meter: Meter,
    yardstick: Yardstick | None = None,
) -> None:
    """Make and keep the trials of `slots`; `ask` says under which load, knowing what was found so
    far.

    One that a slow machine has voided is made again, as long as there is patience: that does not
    depend on what was measured. All others count as they are; to repeat them until they please
    would choose the outcome.
    """
    for slot in slots:
        meter.begin(slot.shown)
        again = True
        while again:
            begin = time.monotonic()
            trials = make(slot, ask(slot, journal.results), meter.see)
            journal.add(*trials)
            disturbed = any(map(gates.disturbed, trials))
            again = (
                yardstick is not None and disturbed and yardstick.spend(time.monotonic() - begin)
            )
        meter.end(words.trials(trials))


def capacity(slot: Slot, results: Results) -> float | None:
    """Requests/s that the label of `slot` has shown in this run."""
    return summary.capacity(results, slot.name)


def finish(journal: Journal, console: Console, old: Results | None, *, whole: bool) -> int:
    """Print and write what was found, compare it with `old`, and return the exit status.

    A run that is not `whole` was interrupted: what there is of it is shown, and nothing is
    compared.
    """
    results = journal.results
    if not results.trials:
        console.print("interrupted before the first trial was made")
        return interrupts.STATUS
    analysis = analyse(results)
    terminal.show(analysis, console)
    exit_status = status(analysis)
    if old and whole:
        comparison = compare.compare(results, old)
        terminal.show_comparison(comparison, console)
        exit_status = max(exit_status, compare.status(comparison))
    console.print(f"report: {report(analysis, journal.directory)}", soft_wrap=True, highlight=False)
    if whole:
        return exit_status
    again = "" if results.suite == "host" else f" Go on with: make loadtest {words.resume(results)}"
    console.print(
        f"interrupted: {results.made} of {results.intended} trials are made.{again}",
        highlight=False,
    )
    return interrupts.STATUS
