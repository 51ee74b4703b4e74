"""One trial: start everything, load it, watch it, stop everything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.lab import stack, watch, web
from loadtest.lab.design import Slot
from loadtest.lab.generator import Job, Outcome, Progress, drive
from loadtest.lab.model import Load, Trial
from loadtest.lab.processes import Processes
from loadtest.lab.server import Ground, Strategy

OnProgress = Callable[[Progress], None]


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


@contextlib.contextmanager
def running(ground: Ground, strategy: Strategy, server: web.WebServer, cores: Cores) -> Iterator[Processes]:
    """The strategy's services and the web `server`, all started now and stopped afterwards."""
    processes = Processes(cores.stack, Path(ground.plan.paths.log))
    try:
        for service in strategy.services:
            processes.start(service(ground))
        for service in server.services:
            processes.start(service(ground), stack.environment(ground, strategy))
        yield processes
    finally:
        processes.stop()


def run(
    ground: Ground, strategy: Strategy, slot: Slot, load: Load, cores: Cores, seed: int, on_progress: OnProgress,
    server: web.WebServer = web.DAEMON, warm: tuple[float, float] = (1, 6),
) -> Trial:  # fmt: skip
    """Measure `strategy` under `load` for `slot`; `warm` are the shortest and the longest warm-up in seconds.

    Raises TargetError when a server does not start or the generator fails.
    """
    with (
        running(ground, strategy, server, cores) as processes,
        contextlib.closing(database(ground, strategy)) as seen,
        _console(ground, strategy) as console,
    ):
        observer = Observer(processes, seen)
        before = _counts(ground, server, seen, console)

        def look(progress: Progress) -> None:
            observer.look(progress)
            on_progress(progress)

        outcome = drive(_job(ground, load, cores, seed, warm), look)
        after = _counts(ground, server, seen, console)
    counted = {name: after[name] - before[name] for name in before}
    return _trial(
        outcome, slot, cpu_seconds=observer.cpu_seconds(), backends=observer.backends,
        sessions=counted["sessions"], transactions=counted.get("transactions"), logged=counted.get("logged"),
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


def _job(ground: Ground, load: Load, cores: Cores, seed: int, warm: tuple[float, float]) -> Job:
    return Job(
        url=web.url(ground), loads=(load,), warm_min=warm[0], warm_max=warm[1], seed=seed, cores=cores.generator
    )


def _trial(outcome: Outcome, slot: Slot, **seen: object) -> Trial:
    fields = outcome.model_dump(exclude={"event"})
    return Trial(label=slot.label, strategy=slot.strategy, purpose=slot.purpose, block=slot.block, **fields, **seen)
