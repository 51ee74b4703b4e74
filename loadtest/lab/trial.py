"""One trial: start everything, load it, watch it, stop everything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.lab import site, stack, watch, web
from loadtest.lab.design import Slot
from loadtest.lab.generator import Job, Progress, drive
from loadtest.lab.model import Load, Trial
from loadtest.lab.processes import Processes
from loadtest.lab.server import Ground, Strategy

OnProgress = Callable[[Progress], None]
WARM_SECONDS = (1.0, 6.0)
"""shortest and longest warm-up; it ends when the rate has settled"""


@dataclass(frozen=True)
class Cores:
    """Processors of the stack and of the generator; the same ones where they share."""

    stack: tuple[int, ...]
    generator: tuple[int, ...]


@dataclass
class Observer:
    """What is seen of a running trial from outside of the generator."""

    processes: Processes
    database: watch.Database
    backends: int = 0
    begin: dict[str, float] = field(default_factory=dict)
    end: dict[str, float] = field(default_factory=dict)

    def look(self, progress: Progress) -> None:
        """At each event of the generator: CPU times where the measured part begins and ends, backends within it."""
        if progress.phase == "warming":
            return
        now = self.processes.cpu_seconds()
        if progress.phase == "measuring":
            self.begin = self.begin or now
            self.backends = max(self.backends, self.database.backends())
        self.end = now if progress.phase == "measuring" or not self.end else self.end

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of the measured part by component."""
        return {name: self.end[name] - self.begin.get(name, 0.0) for name in self.end}


@dataclass(frozen=True)
class Bench:
    """Where trials are run: the lab's stack, who gets which core, and what runs under a label."""

    ground: Ground
    cores: Cores
    subject: Callable[[str], tuple[Strategy, web.WebServer]]


@contextlib.contextmanager
def running(bench: Bench, slot: Slot) -> Iterator[Processes]:
    """The servers of `slot`, all started now and stopped afterwards."""
    strategy, server = bench.subject(slot.name)
    processes = Processes(bench.cores.stack, Path(bench.ground.plan.paths.log))
    try:
        for service in strategy.services:
            processes.start(service(bench.ground))
        for service in server.services:
            processes.start(service(bench.ground), stack.environment(bench.ground, strategy))
        yield processes
    finally:
        processes.stop()


def run(bench: Bench, slot: Slot, load: Load, seed: int, on_progress: OnProgress) -> Trial:
    """Measure what `slot` names under `load`; `seed` is that of an open loop's arrivals.

    Raises TargetError when a server does not start or the generator fails.
    """
    ground, (strategy, server) = bench.ground, bench.subject(slot.name)
    with (
        running(bench, slot) as processes,
        contextlib.closing(database(ground, strategy)) as seen,
        _console(ground, strategy) as console,
    ):
        observer = Observer(processes, seen)
        before = _counts(ground, server, seen, console)

        def look(progress: Progress) -> None:
            observer.look(progress)
            on_progress(progress)

        outcome = drive(
            Job(
                url=site.url(ground), loads=(load,), warm_min=WARM_SECONDS[0], warm_max=WARM_SECONDS[1], seed=seed,
                cores=bench.cores.generator,
            ),
            look,
        )  # fmt: skip
        after = _counts(ground, server, seen, console)
    counted = {name: after[name] - before[name] for name in before}
    return Trial(
        label=slot.label, strategy=strategy.name, purpose=slot.purpose, block=slot.block,
        cpu_seconds=observer.cpu_seconds(), backends=observer.backends, sessions=counted["sessions"],
        transactions=counted.get("transactions"), logged=counted.get("logged"), **outcome.model_dump(exclude={"event"}),
    )  # fmt: skip


def database(ground: Ground, strategy: Strategy) -> watch.Database:
    """The watcher of the strategy's database."""
    if strategy.driver == "mysql":
        return watch.MariaDB(ground.directory / "lab/mariadb/mariadb.sock")
    return watch.Postgres(ground.plan)


@contextlib.contextmanager
def _console(ground: Ground, strategy: Strategy) -> Iterator[watch.Console | None]:
    if not strategy.name.startswith("pgbouncer-"):
        yield None
        return
    with contextlib.closing(watch.Console(ground.plan)) as console:
        yield console


def _counts(
    ground: Ground, server: web.WebServer, database: watch.Database, console: watch.Console | None
) -> dict[str, int]:
    counts = {"sessions": database.sessions()}
    if (lines := server.logged(ground)) is not None:
        counts["logged"] = lines
    if console:
        counts["transactions"] = console.transactions()
    return counts
