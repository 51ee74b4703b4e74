"""`make loadtest`: a run of the lab from its inputs to its report."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loadtest.lab import design, gates, limits, machine, stack, store, trial, web
from loadtest.lab.analysis import analyse, status
from loadtest.lab.design import Slot
from loadtest.lab.generator import Progress as Event
from loadtest.lab.model import Load, Results, Trial
from loadtest.lab.report import terminal
from loadtest.lab.request import LARGEST_SEED, Request, request
from loadtest.lab.server import Ground, Strategy
from loadtest.lab.strategies import STRATEGIES
from loadtest.lab.trial import Bench, Cores
from pgstack.layout import PROJECT

RESULTS = PROJECT / "loadtest/results"
LADDER_USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LADDER_STRATEGIES = ("reconnect-tcp", "reconnect-socket", "patched-signal", "pgbouncer-transaction")
OPEN_SHARES = (0.3, 0.5, 0.7, 0.9)
ONE_TRANSACTION = ("/db", "/fortunes", "/plain")
OPEN_USERS = 64
"""connections of an open loop: more than the web works on at a time, so that waiting happens in the server"""


class Run:
    """Results so far, and where they are kept: after each trial, so that an interrupted run loses none."""

    def __init__(self, results: Results, directory: Path) -> None:
        self.results, self.directory = results, directory

    def add(self, found: Trial) -> None:
        """Keep one more trial."""
        self.results = self.results.model_copy(update={"trials": (*self.results.trials, found)})
        store.write(self.results, self.directory)


def run(environment: Mapping[str, str], console: Console) -> int:
    """Measure, report, and return the exit status. Raises StackError."""
    asked = request(environment, seed=secrets.randbelow(LARGEST_SEED))
    cores = machine.cores(asked.shared)
    directory = _directory(environment, asked)
    lab = stack.own_directories(directory)
    console.print(f"lab       a stack of its own on core {_text(cores.stack)}, load from core {_text(cores.generator)}")
    with stack.prepared(lab, cores.stack, [STRATEGIES[name] for name in asked.strategies]) as ground:
        found = store.read(directory) if asked.resume else None
        going = Run(found or _empty(asked, ground, cores), directory)
        with contextlib.suppress(KeyboardInterrupt):
            _measure(going, asked, Bench(ground, cores, _subject), console)
    analysis = analyse(going.results)
    terminal.show(analysis, console)
    console.print(f"report: {store.report(analysis, directory)}", soft_wrap=True)
    return status(analysis)


def _measure(going: Run, request: Request, bench: Bench, console: Console) -> None:
    names = [name for name in request.strategies if name not in going.results.unavailable]
    seed = going.results.seed
    slots: design.Design = design.blocks(names, request.blocks, request.users, seed)
    curves = [name for name in LADDER_STRATEGIES if name in names and request.full]
    slots += design.ladder(curves, LADDER_USERS, 1, seed)
    with _progress(console) as bar:
        _slots(going, slots, request, bench, bar)
        _slots(going, design.open_loops(curves, OPEN_SHARES, OPEN_USERS, seed), request, bench, bar)
        measured = limits.measure(bench, request.page, request.users, request.seconds)
        going.results = going.results.model_copy(update={"limits": measured})
        store.write(going.results, going.directory)


def _slots(going: Run, slots: design.Design, request: Request, bench: Bench, bar: Progress) -> None:
    left = design.remaining(going.results, slots)
    task = bar.add_task("", total=len(left), phase="", visible=bool(left))
    for slot in left:
        bar.update(task, description=slot.label, phase="starting")
        load = Load(
            kind="open" if slot.share else "closed", page=STRATEGIES[slot.strategy].page or request.page,
            users=slot.users, rate=_rate(going.results, slot), seconds=request.seconds,
        )  # fmt: skip

        def show(event: Event) -> None:
            bar.update(task, phase=f"{event.phase}, {event.requests} requests")

        measured = trial.run(bench, slot, load, going.results.seed + slot.block, show)
        reasons = gates.reasons(measured, _mode(slot), _transactions(request.page))
        going.add(measured.model_copy(update={"void": reasons}))
        bar.advance(task)


def _transactions(page: str) -> float | None:
    """Transactions that a request for `page` makes; None where it depends."""
    return 1 if page in ONE_TRANSACTION else None


def _mode(slot: Slot) -> gates.Mode | None:
    mode = STRATEGIES[slot.strategy].connections
    return None if mode == "none" else mode


def _rate(results: Results, slot: Slot) -> float | None:
    """Requests/s of an open loop: its share of what the strategy did in the blocks."""
    if slot.share is None:
        return None
    row = analyse(results).row(slot.strategy)
    return round(slot.share * row.rate.value, 1) if row and row.rate else 100.0


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[phase]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar


def _subject(slot: Slot) -> tuple[Strategy, web.WebServer]:
    return STRATEGIES[slot.strategy], web.DAEMON


def _text(cores: tuple[int, ...]) -> str:
    return ", ".join(map(str, cores))


def _empty(request: Request, ground: Ground, cores: Cores) -> Results:
    missing = {name: why for name in request.strategies if (why := STRATEGIES[name].missing(ground.plan))}
    return Results(
        suite="strategies", page=request.page, seed=request.seed, blocks=request.blocks, seconds=request.seconds,
        started=datetime.now(UTC).isoformat(timespec="seconds"), machine=machine.machine(cores),
        versions=machine.versions(ground.plan), plan=machine.figures(ground.plan), unavailable=missing,
        strategies={name: STRATEGIES[name].meaning for name in request.strategies},
    )  # fmt: skip


def _directory(environment: Mapping[str, str], request: Request) -> Path:
    """Where this run is kept: a new directory, or that of the latest run when it is resumed."""
    results = Path(environment.get("RESULTS") or RESULTS).resolve()
    if request.resume:
        return store.latest(results)
    return results / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
