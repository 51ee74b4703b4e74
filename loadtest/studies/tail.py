"""What makes the slowest answers slow: requests at 70 % of what the stack can take, with and
without what may hold them up.

    .venv/bin/python loadtest/studies/tail.py --rounds 4
    .venv/bin/python loadtest/studies/tail.py --rounds 4 --page '/updates?n=20'

It makes a stack of its own, as `make loadtest` does. In each round it measures what the stack can
take, and then each way takes its turn for about 20 s: a single user, who waits for nobody, and
requests that arrive at random. Times are in ms from when a request was due; `queue` is the 99th
percentile of a mere queue with the service times of that single user (loadtest/lab/queueing.py).
Figures are medians of the rounds. The last column compares p99 with that of the stack as planned
in the same round: lowest, median and highest.

Exit status 2: a stack cannot be made here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Table  # noqa: E402

from loadtest import program  # noqa: E402
from loadtest.lab import course, histograms, limits, machine, queueing, site, stack  # noqa: E402
from loadtest.lab.change import Change  # noqa: E402
from loadtest.lab.changes import CHANGES  # noqa: E402
from loadtest.lab.generator import Job, Outcome, drive, drive_all  # noqa: E402
from loadtest.lab.model import Load  # noqa: E402
from loadtest.lab.processes import pinned  # noqa: E402
from loadtest.lab.server import LabStack  # noqa: E402
from loadtest.lab.trial import Arm, Cores, running  # noqa: E402
from pgstack.ops.postgres import psql  # noqa: E402

USERS, CONNECTIONS, SHARE = 16, 64, 0.7
CAPACITY_SECONDS, ALONE_SECONDS, SECONDS = 4.0, 4.0, 10.0
PERIOD_SECONDS = 1.0
"""between two checkpoints, or whatever else is asked for each second"""


@dataclass(frozen=True)
class Turn:
    """What visitors noticed in one turn; milliseconds."""

    p50: float
    p99: float
    p999: float
    queue: float
    """99th percentile of a mere queue"""
    failed: int


@dataclass(frozen=True)
class Way:
    """A change to the stack, and a statement that PostgreSQL is given each second."""

    change: Change = CHANGES["as-planned"]
    statement: str = ""


PLANNED = "as planned"
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


def capacity(arm: Arm, cores: Cores, page: str) -> float:
    """Requests/s of users who ask again at once. Raises TargetError."""
    load = Load(kind="closed", page=page, users=USERS, seconds=CAPACITY_SECONDS)
    with running(arm, cores):
        outcome = drive(_job(arm, cores, load), lambda _: None)
    return outcome.requests / outcome.seconds


def turn(arm: Arm, cores: Cores, page: str, most: float, statement: str, seed: int) -> Turn:
    """What visitors notice at SHARE of `most` requests/s. Raises TargetError."""
    rate = round(SHARE * most, 1)
    single = Load(kind="closed", page=page, users=1, seconds=ALONE_SECONDS)
    many = Load(kind="open", page=page, users=CONNECTIONS, rate=rate, seconds=SECONDS)
    with running(arm, cores), each_second(arm.lab_stack, cores, statement):
        alone, visited = drive_all(_job(arm, cores, single, many, seed=seed), lambda _: None)
    return seen(alone, visited, most, len(cores.stack))


def seen(alone: Outcome, visited: Outcome, most: float, servers: int) -> Turn:
    """What a single user and visitors saw, of a stack that can take `most` requests/s."""
    times = histograms.percentiles(histograms.decode(visited.corrected or visited.latency))
    assert times is not None
    assert visited.load.rate is not None
    service, fixed = queueing.service(histograms.decode(alone.latency), most, servers)
    own = queueing.percentile(99, visited.load.rate, servers, service, fixed)
    return Turn(times.p50, times.p99, times.p999, own, visited.failures + visited.unanswered)


def _job(arm: Arm, cores: Cores, *loads: Load, seed: int = 0) -> Job:
    shortest, longest = limits.WARM_SECONDS
    return Job(
        url=site.url(arm.lab_stack),
        loads=loads,
        cores=cores.generator,
        warm_min=shortest,
        warm_max=longest,
        seed=seed,
    )


def report(page: str, taken: Mapping[str, Sequence[Turn]]) -> Table:
    """A row for each way."""
    rounds = len(taken[PLANNED])
    table = Table("", title=f"{page} at {SHARE:.0%} of capacity, {rounds} rounds; ms")
    columns: dict[str, Callable[[Turn], float]] = {
        "p50": lambda turn: turn.p50,
        "p99": lambda turn: turn.p99,
        "p99.9": lambda turn: turn.p999,
        "queue": lambda turn: turn.queue,
    }
    for name in (*columns, "p99 ÷ queue", "failed", "p99 ÷ as planned"):
        table.add_column(name, justify="right")
    for way, turns in taken.items():
        figures = [f"{median(map(column, turns)):.1f}" for column in columns.values()]
        ratios = [
            turn.p99 / planned.p99 for turn, planned in zip(turns, taken[PLANNED], strict=True)
        ]
        table.add_row(
            way,
            *figures,
            f"{median(turn.p99 / turn.queue for turn in turns):.2f}",
            str(sum(turn.failed for turn in turns)),
            "–"
            if way == PLANNED
            else f"{min(ratios):.2f}, {median(ratios):.2f}, {max(ratios):.2f}",
        )
    return table


def measure(page: str, rounds: int) -> dict[str, list[Turn]]:
    """Each way's turns, round by round. Raises StackError."""
    stack.become_account(course.RESULTS)
    cores = machine.cores(shared=False)
    taken: dict[str, list[Turn]] = {way: [] for way in WAYS}
    with stack.prepared(cores.stack, []) as lab_stack, pinned(cores.generator):
        for number in range(rounds):
            planned = WAYS[PLANNED].change
            most = capacity(Arm(lab_stack, planned.strategy, planned.server), cores, page)
            for name, way in list(WAYS.items())[:: -1 if number % 2 else 1]:
                arm = Arm(lab_stack, way.change.strategy, way.change.server)
                taken[name].append(turn(arm, cores, page, most, way.statement, number))
    return taken


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="what makes the slowest answers slow")
    parser.add_argument("--rounds", type=int, default=4, help="how often each way takes its turn")
    parser.add_argument("--page", default="/db", help="of the demo (default /db)")
    asked = parser.parse_args()
    if asked.rounds < 1:
        parser.error(f"--rounds {asked.rounds}: nothing would be measured. Name 1 or more.")
    Console().print(report(asked.page, measure(asked.page, asked.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(program.status(main))
