"""What makes the slowest answers slow: requests at 70 % of what the stack can take, with and
without what may hold them up.

    .venv/bin/python loadtest/studies/tail.py --rounds 4
    .venv/bin/python loadtest/studies/tail.py --rounds 4 --page '/updates?n=20'

It makes a stack of its own, as `make loadtest` does. In each round it measures what the stack can
take, and then each way takes its turn with requests that arrive at random. So does a mere queue:
a loop on the stack's core, without a stack, that takes one arrival after the other and adds
numbers for as long as the stack needs for a request. What its visitors wait is the queue's own and
the machine's, with whatever others do on it. Times are in ms from when a request was due. Figures
are medians of the rounds; the last column compares p99 with that of the mere queue in the same
round: lowest, median and highest.

Exit status 2: a stack cannot be made here.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped] # noqa: E402 - the path first
from rich.console import Console  # noqa: E402
from rich.table import Column, Table  # noqa: E402

from loadtest import program  # noqa: E402
from loadtest.lab import course, histograms, limits, machine, site, stack  # noqa: E402
from loadtest.lab.change import Change  # noqa: E402
from loadtest.lab.changes import CHANGES  # noqa: E402
from loadtest.lab.generator import Job, drive  # noqa: E402
from loadtest.lab.model import Load  # noqa: E402
from loadtest.lab.processes import pinned  # noqa: E402
from loadtest.lab.server import LabStack  # noqa: E402
from loadtest.lab.trial import Arm, Cores, running  # noqa: E402
from pgstack.ops.postgres import psql  # noqa: E402

USERS, CONNECTIONS, SHARE = 16, 64, 0.7
CAPACITY_SECONDS, SECONDS = 3.0, 8.0
US = 1e6
SAMPLES = 1000
"""of the work that a mere queue does, to know how long it takes now"""
PERIOD_SECONDS = 1.0
"""between two checkpoints, or whatever else is asked for each second"""


@dataclass(frozen=True)
class Turn:
    """What visitors noticed in one turn; milliseconds."""

    p50: float
    p99: float
    p999: float
    failed: int = 0


@dataclass(frozen=True)
class Way:
    """A change to the stack, and a statement that PostgreSQL is given each second."""

    change: Change = CHANGES["as-planned"]
    statement: str = ""


MERE, PLANNED = "a mere queue", "as planned"
WAYS = {
    PLANNED: Way(),
    "as planned, again": Way(),
    "no garbage collector": Way(CHANGES["gc-off"]),
    "collector as Python sets it up": Way(CHANGES["gc-as-python"]),
    "collector over all objects each second": Way(CHANGES["gc-each-second"]),
    "no access log": Way(CHANGES["no-access-log"]),
    "no autovacuum": Way(CHANGES["no-autovacuum"]),
    "vacuum each second": Way(statement="VACUUM world"),
    "checkpoint each second": Way(statement="CHECKPOINT"),
}


@contextmanager
def each_second(lab_stack: LabStack, cores: Cores, statement: str) -> Iterator[None]:
    """Meanwhile PostgreSQL is given `statement` once a second; its own process runs it."""
    plan, over = lab_stack.plan, threading.Event()
    place = plan.paths.run_postgres, plan.postgres.port, plan.postgres.database
    command = psql(*place, "-c", statement, user=plan.roles.admin)

    def ask() -> None:
        with pinned(cores.generator):
            while not over.wait(PERIOD_SECONDS):
                subprocess.run(command, check=True, capture_output=True)

    asking = threading.Thread(target=ask)
    if statement:
        asking.start()
    try:
        yield
    finally:
        over.set()
        if statement:
            asking.join()


def mere_queue(cores: Cores, rate: float, seed: int) -> Turn:
    """What visitors of a loop notice that needs SHARE of a core for `rate` requests/s."""
    chance, times = random.Random(seed), histograms.empty()
    with pinned(cores.stack):
        each = SHARE / rate / _seconds_of_addition()
        began = time.perf_counter()
        due = chance.expovariate(rate)
        while due < SECONDS:
            if (left := began + due - time.perf_counter()) > 0:
                time.sleep(left)
            _add(round(each))
            histograms.record(times, (time.perf_counter() - began - due) * US)
            due += chance.expovariate(rate)
    return _turn(times, 0)


def _seconds_of_addition() -> float:
    begin = time.perf_counter()
    for _ in range(SAMPLES):
        _add(1000)
    return (time.perf_counter() - begin) / SAMPLES / 1000


def _add(numbers: int) -> int:
    total = 0
    for number in range(numbers):
        total += number
    return total


def capacity(arm: Arm, cores: Cores, page: str) -> float:
    """Requests/s of users who ask again at once. Raises TargetError."""
    load = Load(kind="closed", page=page, users=USERS, seconds=CAPACITY_SECONDS)
    with running(arm, cores):
        outcome = drive(_job(arm, cores, load), lambda _: None)
    return outcome.requests / outcome.seconds


def turn(arm: Arm, cores: Cores, load: Load, statement: str, seed: int) -> Turn:
    """What visitors notice. Raises TargetError."""
    with running(arm, cores), each_second(arm.lab_stack, cores, statement):
        outcome = drive(_job(arm, cores, load, seed=seed), lambda _: None)
    times = histograms.decode(outcome.corrected or outcome.latency)
    return _turn(times, outcome.failures + outcome.unanswered)


def _turn(times: HdrHistogram, failed: int) -> Turn:
    seen = histograms.percentiles(times)
    assert seen is not None
    return Turn(seen.p50, seen.p99, seen.p999, failed)


def _job(arm: Arm, cores: Cores, load: Load, seed: int = 0) -> Job:
    shortest, longest = limits.WARM_SECONDS
    return Job(
        url=site.url(arm.lab_stack),
        loads=(load,),
        cores=cores.generator,
        warm_min=shortest,
        warm_max=longest,
        seed=seed,
    )


def report(page: str, taken: Mapping[str, Sequence[Turn]]) -> Table:
    """A row for each way."""
    mere = taken[MERE]
    table = Table(
        Column("", no_wrap=True), title=f"{page} at {SHARE:.0%} of capacity, {len(mere)} rounds; ms"
    )
    for name in ("p50", "p99", "p99.9", "failed", "p99 ÷ that of a mere queue"):
        table.add_column(name, justify="right")
    for way, turns in taken.items():
        p50, p99, p999 = (
            median(column)
            for column in zip(*((turn.p50, turn.p99, turn.p999) for turn in turns), strict=True)
        )
        ratios = [turn.p99 / own.p99 for turn, own in zip(turns, mere, strict=True)]
        shown = f"{min(ratios):.2f}, {median(ratios):.2f}, {max(ratios):.2f}"
        failed = str(sum(turn.failed for turn in turns))
        figures = [f"{figure:.1f}" for figure in (p50, p99, p999)]
        table.add_row(way, *figures, failed, "–" if way == MERE else shown)
    return table


def measure(page: str, rounds: int) -> dict[str, list[Turn]]:
    """Each way's turns, round by round. Raises StackError."""
    stack.become_account(course.RESULTS)
    cores = machine.cores(shared=False)
    taken: dict[str, list[Turn]] = {way: [] for way in (MERE, *WAYS)}
    with stack.prepared(cores.stack, []) as lab_stack, pinned(cores.generator):
        for number in range(rounds):
            planned = WAYS[PLANNED].change
            most = capacity(Arm(lab_stack, planned.strategy, planned.server), cores, page)
            rate = round(SHARE * most, 1)
            load = Load(kind="open", page=page, users=CONNECTIONS, rate=rate, seconds=SECONDS)
            for name in list(taken)[:: -1 if number % 2 else 1]:
                if name == MERE:
                    taken[name].append(mere_queue(cores, rate, number))
                    continue
                change, statement = WAYS[name].change, WAYS[name].statement
                arm = Arm(lab_stack, change.strategy, change.server)
                taken[name].append(turn(arm, cores, load, statement, number))
    return taken


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="what makes the slowest answers slow")
    parser.add_argument("--page", default="/db", help="of the demo (default /db)")
    asked = program.rounds(parser, 4)
    Console().print(report(asked.page, measure(asked.page, asked.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(program.status(main))
