"""One trial: start everything, load it, watch it, stop everything."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadtest.lab import inward, services, site, stack, watch, web
from loadtest.lab.design import Slot
from loadtest.lab.generator import Job, Progress, drive, drive_pair
from loadtest.lab.model import Load, Page, Trial
from loadtest.lab.processes import Processes
from loadtest.lab.server import LabStack, Strategy
from loadtest.lab.yardstick import Yardstick
from pgstack.metrics.reading import Reading

OnProgress = Callable[[Progress], None]
WARM_SECONDS = (1.0, 6.0)
"""shortest and longest warm-up; it ends when the rate has settled"""
WARM_TIMES = 2
"""a warm-up takes no longer than so many times what is measured after it"""


@dataclass(frozen=True)
class Cores:
    """Processors of the stack and of the generator; the same ones where they share."""

    stack: tuple[int, ...]
    generator: tuple[int, ...]


@dataclass(frozen=True)
class Arm:
    """What runs under a label, and the stack that it runs in."""

    lab_stack: LabStack
    strategy: Strategy
    server: web.WebServer

    def behind(self) -> Arm:
        """The same without its web server."""
        return replace(self, server=replace(self.server, services=()))


class Observer:
    """What is seen of a running arm from outside of the generator."""

    def __init__(
        self,
        arm: Arm,
        processes: Processes,
        database: watch.Database,
        console: watch.Console | None,
    ) -> None:
        self.arm, self.processes, self.database, self.console = arm, processes, database, console
        self.backends = 0
        self.begin: dict[str, float] = {}
        self.end: dict[str, float] = {}
        self._before = self._counts()
        self._first: Reading | None = None

    def look(self, progress: Progress) -> None:
        """At each event of the generator: CPU times where the measured part begins and ends,
        backends within it."""
        if progress.phase == "warming":
            return
        now = self.processes.cpu_seconds()
        if progress.phase == "measuring":
            self.begin = self.begin or now
            self._first = self._first or self._inward()
            self.backends = max(self.backends, self.database.backends())
        self.end = now if progress.phase == "measuring" or not self.end else self.end

    def fields(self) -> dict[str, Any]:
        """Fields of a trial: CPU time of the measured part by component, backends, and what the
        servers counted."""
        now = self._counts()
        counted = {
            name: count - (self._before[name] or 0)
            for name, count in now.items()
            if count is not None
        }
        cpu = {name: self.end[name] - self.begin.get(name, 0.0) for name in self.end}
        first, last = self._first, self._inward()
        return {
            "cpu_seconds": cpu,
            "backends": self.backends,
            "inward": inward.between(first, last, self.arm.lab_stack.plan)
            if first and last
            else None,
            **dict.fromkeys(now),
            **counted,
        }

    def _inward(self) -> Reading | None:
        """Of the stack's own servers."""
        own = self.console and self.arm.server.measures
        return inward.look(self.arm.lab_stack.plan) if own else None

    def _counts(self) -> dict[str, int | None]:
        return {
            "sessions": self.database.sessions(),
            "logged": self.arm.server.logged(self.arm.lab_stack),
            "transactions": self.console.transactions() if self.console else None,
            "parses": self.console.parses() if self.console else None,
        }


@dataclass(frozen=True)
class Bench:
    """Where trials are run: two stacks for what takes turns, who gets which core, and what runs
    under a label."""

    grounds: tuple[LabStack, LabStack]
    cores: Cores
    yardstick: Yardstick
    subject: Callable[[str], tuple[Strategy, web.WebServer]]
    page: Callable[[str], str]
    """label → page that it is asked for"""
    users: int
    """that ask a reference"""
    mix: tuple[Page, ...] = ()
    """the pages of MIX"""

    def arms(self, slot: Slot, seed: int) -> tuple[Arm, ...]:
        """That of the slot's own label, and that of the reference beside it; which stack is whose
        is drawn."""
        names = (slot.name, slot.beside) if slot.beside else (slot.name,)
        grounds = (
            self.grounds
            if random.Random(f"{seed}/{slot.label}").random() < 0.5
            else self.grounds[::-1]
        )
        return tuple(
            Arm(lab_stack, *self.subject(name))
            for lab_stack, name in zip(grounds, names, strict=False)
        )


@contextlib.contextmanager
def running(arm: Arm, cores: Cores) -> Iterator[Processes]:
    """The servers of `arm`, all started now and stopped afterwards."""
    processes = Processes(cores.stack, Path(arm.lab_stack.plan.paths.log))
    try:
        beside = (services.valkey,) if arm.lab_stack.plan.valkey else ()
        for service in (*beside, *arm.strategy.services):
            processes.start(service(arm.lab_stack))
        for service in arm.server.services:
            processes.start(service(arm.lab_stack), stack.environment(arm.lab_stack, arm.strategy))
        yield processes
    finally:
        processes.stop()


@contextlib.contextmanager
def observed(arm: Arm, cores: Cores) -> Iterator[Observer]:
    """The same, and who watches them."""
    with (
        running(arm, cores) as processes,
        contextlib.closing(database(arm.lab_stack, arm.strategy)) as seen,
        _console(arm.lab_stack, processes) as console,
    ):
        yield Observer(arm, processes, seen, console)


def run(
    bench: Bench, slot: Slot, load: Load, seed: int, on_progress: OnProgress, usual: float = 1.0
) -> tuple[Trial, ...]:
    """Measure what `slot` names under `load`, and the reference beside it; `seed` is that of an
    open loop's arrivals, `usual` the slowness of the machine that its share of capacity refers to.

    Raises TargetError when a server does not start or the generator fails.
    """
    if not slot.beside:
        bench.yardstick.wait(usual)
    with contextlib.ExitStack() as kept:
        observers = [
            kept.enter_context(observed(arm, bench.cores)) for arm in bench.arms(slot, seed)
        ]
        machine = kept.enter_context(bench.yardstick.watching())

        def look(progress: Progress) -> None:
            machine.on = progress.phase == "measuring"
            for observer in observers:
                observer.look(progress)
            on_progress(progress)

        job = _job(bench, slot, load, seed, [observer.arm.lab_stack for observer in observers])
        outcomes = drive_pair(job, look) if slot.beside else (drive(job, look),)
        return tuple(
            Trial(
                label=slot.beside or "" if second else slot.label,
                beside=slot.label if second else slot.beside,
                companion=bool(second),
                strategy=observer.arm.strategy.name,
                purpose=slot.purpose,
                block=slot.block,
                slowness=machine.slowness,
                usual=usual,
                **observer.fields(),
                **outcome.model_dump(exclude={"event"}),
            )
            for second, (observer, outcome) in enumerate(zip(observers, outcomes, strict=True))
        )


def _job(bench: Bench, slot: Slot, load: Load, seed: int, stacks: list[LabStack]) -> Job:
    return Job(
        url=site.url(stacks[0]),
        headers=stacks[0].headers,
        against=site.url(stacks[1]) if slot.beside else None,
        against_headers=stacks[1].headers if slot.beside else (),
        against_page=(slot.page or bench.page(slot.beside)) if slot.beside else None,
        mix=bench.mix,
        against_users=bench.users,
        loads=(load,),
        seed=seed,
        warm_min=WARM_SECONDS[0],
        warm_max=max(WARM_SECONDS[0], min(WARM_SECONDS[1], WARM_TIMES * load.seconds)),
        cores=bench.cores.generator,
    )


def database(lab_stack: LabStack, strategy: Strategy) -> watch.Database:
    """The watcher of the strategy's database."""
    if strategy.driver == "mysql":
        return watch.MariaDB(lab_stack.directory / "lab/mariadb/mariadb.sock")
    return watch.Postgres(lab_stack.plan)


@contextlib.contextmanager
def _console(lab_stack: LabStack, processes: Processes) -> Iterator[watch.Console | None]:
    if not processes.runs("pgbouncer"):
        yield None
        return
    with contextlib.closing(watch.Console(lab_stack.plan)) as console:
        yield console
