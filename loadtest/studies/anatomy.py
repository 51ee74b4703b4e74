"""Where the CPU time of a request goes: over HTTP, and when the application is called in a loop in
mod_wsgi's Python.

    .venv/bin/python loadtest/studies/anatomy.py --rounds 5

It makes a stack of its own, as `make loadtest` does, with the application's part of each request
timed, and takes about 12 s for a round. Times are CPU microseconds per request:

- Apache: its processes without Python.
- mod_wsgi: what the daemon processes use beside the application: taking requests from Apache,
  giving answers back.
- application: from the call of WSGI's application to the end of the response's `close`, Django and
  the driver included.
- pooler, database: their processes.

Exit status 2: a stack cannot be made here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Table  # noqa: E402

from loadtest import program  # noqa: E402
from loadtest.lab import course, limits, machine, site, stack, timing  # noqa: E402
from loadtest.lab.changes import CHANGES  # noqa: E402
from loadtest.lab.generator import Job, Progress, drive  # noqa: E402
from loadtest.lab.model import Load  # noqa: E402
from loadtest.lab.processes import pinned  # noqa: E402
from loadtest.lab.trial import Arm, Cores, running  # noqa: E402

PAGE, USERS, SECONDS = "/db", 16, 5.0
US = 1e6
PARTS = ("Apache", "mod_wsgi", "application", "pooler", "database")
Anatomy = Mapping[str, float]
"""part → CPU microseconds per request"""


def over_http(arm: Arm, cores: Cores) -> Anatomy:
    """A closed loop's requests. Raises TargetError."""
    directory, seen = timing_of(arm), []

    with running(arm, cores) as processes:

        def look(progress: Progress) -> None:
            if progress.phase == "measuring":
                seen.append((processes.cpu_seconds(), timing.totals(directory)))

        job = Job(
            url=site.url(arm.lab_stack),
            loads=(Load(kind="closed", page=PAGE, users=USERS, seconds=SECONDS),),
            cores=cores.generator,
            warm_min=limits.WARM_SECONDS[0],
            warm_max=limits.WARM_SECONDS[1],
        )
        drive(job, look)
    (before, (began, early)), (after, (ended, late)) = seen[0], seen[-1]
    spent = {name: (after[name] - before.get(name, 0)) / (ended - began) * US for name in after}
    application = (late - early) / (ended - began) * US
    return {
        "Apache": spent["web"],
        "mod_wsgi": spent["python"] - application,
        "application": application,
        "pooler": spent["pooler"],
        "database": spent["database"],
    }


def in_a_loop(arm: Arm, cores: Cores) -> Anatomy:
    """The same requests without HTTP. Raises TargetError."""
    directory = timing_of(arm)
    with running(arm.behind(), cores) as processes:
        before = processes.cpu_seconds()
        limits.in_daemons(arm, cores, PAGE)
        requests, seconds = timing.totals(directory)
        after = processes.cpu_seconds()
    spent = {name: (after[name] - before[name]) / requests * US for name in after}
    return {"application": seconds / requests * US, **spent}


def timing_of(arm: Arm) -> Path:
    """The directory that the processes of `arm` write their times into, empty."""
    return arm.lab_stack.empty(timing.FOLDER)


def report(by_way: Mapping[str, Sequence[Anatomy]]) -> Table:
    """A column for each way to ask, the mean of its rounds, and the lowest and the highest."""
    table = Table("CPU-µs per request", title=f"{PAGE}, {USERS} users")
    for way, rounds in by_way.items():
        table.add_column(f"{way}, {len(rounds)} rounds", justify="right")
    for part in PARTS:
        table.add_row(
            part,
            *(
                _figures([anatomy[part] for anatomy in rounds if part in anatomy])
                for rounds in by_way.values()
            ),
        )
    table.add_row(
        "sum",
        *(_figures([sum(anatomy.values()) for anatomy in rounds]) for rounds in by_way.values()),
    )
    return table


def _figures(values: Sequence[float]) -> str:
    return f"{fmean(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})" if values else "–"


def measure(rounds: int) -> dict[str, list[Anatomy]]:
    """What each way to ask takes, round by round. Raises StackError."""
    stack.become_account(course.RESULTS)
    cores, timed = machine.cores(shared=False), CHANGES["timed"]
    ways = {"over HTTP": over_http, "in a loop": in_a_loop}
    by_way: dict[str, list[Anatomy]] = {way: [] for way in ways}
    with stack.prepared(cores.stack, []) as lab_stack, pinned(cores.generator):
        arm = Arm(lab_stack, timed.strategy, timed.server)
        for number in range(rounds):
            for way, ask in list(ways.items())[:: -1 if number % 2 else 1]:
                by_way[way].append(ask(arm, cores))
    return by_way


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="where the CPU time of a request goes")
    rounds = program.rounds(parser, 3).rounds
    Console().print(report(measure(rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(program.status(main))
