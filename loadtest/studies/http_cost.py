"""What each part of Apache's configuration costs a request, in CPU microseconds.

    .venv/bin/python loadtest/studies/http_cost.py --rounds 5

It makes a stack of its own, as `make loadtest` does, and asks it for a page that does nothing: what
is left is HTTP, and a microsecond of it can be seen. In each round the parts take turns: each
starts an Apache without it, for about 6 s. Figures are those of the planned configuration, what
each part takes (positive: it costs so much), and its lowest and highest round.

Exit status 2: a stack cannot be made here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Column, Table  # noqa: E402

from loadtest import program  # noqa: E402
from loadtest.lab import apache, course, limits, machine, site, stack  # noqa: E402
from loadtest.lab.apache import Edit  # noqa: E402
from loadtest.lab.changes import CHANGES  # noqa: E402
from loadtest.lab.generator import Job, Progress, drive  # noqa: E402
from loadtest.lab.model import REFERENCE, Load  # noqa: E402
from loadtest.lab.processes import pinned  # noqa: E402
from loadtest.lab.server import LabStack  # noqa: E402
from loadtest.lab.strategies import STRATEGIES  # noqa: E402
from loadtest.lab.trial import Arm, Cores, running  # noqa: E402
from loadtest.lab.web import DAEMON  # noqa: E402

USERS, SECONDS = 16, 3.0
US = 1e6
COMPONENTS = {"web": "Apache", "python": "web process"}
WITH, AGAIN, ALL = "as planned", "as planned, again", "all of these"
PARTS = {
    "PATH_TRANSLATED, a second look at the path": "no-path-translated",
    "looking for symbolic links": "follow-symlinks",
    "queue timeout": "no-queue-timeout",
    "access log": "no-access-log",
    "mark of a release or restart": "no-drain-mark",
    "bodies that are read first": "no-body-hook",
    "files that are not served": "no-redirects",
    "headers of every answer": "no-headers",
    "limits on slow clients": "no-reqtimeout",
    "many workers": "small-children",
}
"""what the configuration has → the change that takes it away"""
AROUND = "what a web process does around the application"
Cost = Mapping[str, float]
"""component → CPU microseconds of a request"""


def ways() -> dict[str, tuple[Edit, ...]]:
    """What is measured → what is changed in the planned files."""
    edits = {part: CHANGES[name].web for part, name in PARTS.items()}
    every = tuple(edit for part in edits.values() for edit in part)
    return {WITH: (), AGAIN: (), **edits, ALL: every, AROUND: ()}


def cost(lab_stack: LabStack, edits: Iterable[Edit], cores: Cores, *, around: bool) -> Cost:
    """Of a request for the page that does nothing. Raises TargetError."""
    page = Path(__file__).with_name("around_page.py" if around else "plain_page.py")
    planned = Path(lab_stack.plan.web.wsgi)
    plain: tuple[Edit, ...] = (
        ("site.conf", str(planned), str(page)),
        ("site.conf", f'Directory "{planned.parent}"', f'Directory "{page.parent}"'),
        ("site.conf", f"Files {planned.name}", f"Files {page.name}"),
    )
    server = replace(DAEMON, services=(apache.changed(*plain, *edits),))
    arm = Arm(lab_stack, replace(STRATEGIES[REFERENCE], services=()), server)
    seen: list[tuple[int, Cost]] = []
    with running(arm, cores) as processes:

        def look(progress: Progress) -> None:
            if progress.phase == "measuring":
                seen.append((progress.requests, processes.cpu_seconds()))

        load = Load(kind="closed", page="/db", users=USERS, seconds=SECONDS)
        shortest, longest = limits.WARM_SECONDS
        job = Job(
            url=site.url(lab_stack),
            loads=(load,),
            cores=cores.generator,
            warm_min=shortest,
            warm_max=longest,
            parts=(),
        )
        drive(job, look)
    (first, before), (last, after) = seen[0], seen[-1]
    return {name: (after[name] - before.get(name, 0)) / (last - first) * US for name in COMPONENTS}


def report(measured: Mapping[str, Sequence[Cost]]) -> Table:
    """A row for each way; differences are to the planned configuration of the same round."""
    planned = [sum(cost.values()) for cost in measured[WITH]]
    table = Table(
        Column("CPU-µs per request", no_wrap=True), title=f"a page that does nothing, {USERS} users"
    )
    for column in (*COMPONENTS.values(), "takes", "lowest round", "highest"):
        table.add_column(column, justify="right")
    for way, costs in measured.items():
        parts = [f"{median(cost[name] for cost in costs):.0f}" for name in COMPONENTS]
        sign = -1 if way == AROUND else 1
        taken = [
            sign * (whole - sum(cost.values())) for whole, cost in zip(planned, costs, strict=True)
        ]
        differences = (median(taken), min(taken), max(taken))
        shown = ["–"] * 3 if way == WITH else [f"{figure:.0f}" for figure in differences]
        table.add_row(way, *parts, *shown)
    return table


def measure(rounds: int) -> dict[str, list[Cost]]:
    """What each way takes, round by round. Raises StackError."""
    stack.become_account(course.RESULTS)
    cores, asked = machine.cores(shared=False), ways()
    measured: dict[str, list[Cost]] = {way: [] for way in asked}
    with stack.prepared(cores.stack, []) as lab_stack, pinned(cores.generator):
        for number in range(rounds):
            for way, edits in list(asked.items())[:: -1 if number % 2 else 1]:
                measured[way].append(cost(lab_stack, edits, cores, around=way == AROUND))
    return measured


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="what parts of Apache's configuration cost")
    rounds = program.rounds(parser, 5).rounds
    Console().print(report(measure(rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(program.status(main))
