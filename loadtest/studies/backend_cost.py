"""What the database backend and its guard cost: the same pages by Django's own backend, by
pgstack.db, with the guard.

    .venv/bin/python loadtest/studies/backend_cost.py --rounds 30

It makes a stack of its own, as `make loadtest` does, and asks for the demo's pages inside one
process: a few pages by each way, in turns, in an order of their own each time; a round's figure is
the median of 40 turns. It is CPU time of the application: what Apache, PgBouncer and PostgreSQL use
is not in it, so the parts of a whole request are smaller. Intervals (95 %) are bootstrapped from
the rounds' own ratios. `SUITE=tuning make loadtest` compares `stock-backend` and `guard-off` with
the stack in requests/s.

Exit status 1: the guard costs 2 % of /db or more. 2: a stack cannot be made here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Table  # noqa: E402

from loadtest import program  # noqa: E402
from loadtest.lab import course, inside, intervals, machine, stack  # noqa: E402
from loadtest.lab.changes import CHANGES  # noqa: E402
from loadtest.lab.intervals import Estimate  # noqa: E402
from loadtest.lab.processes import Processes  # noqa: E402
from pgstack.errors import TargetError  # noqa: E402

LIMIT = 1.02
"""of a page's time without the guard"""
STOCK, OFF, ON = inside.WAYS
COMPARED = ((OFF, STOCK), (ON, OFF), (ON, STOCK))
PAGE = next(iter(inside.PAGES))
"""the simple one, with one query"""
SEED = 1


def measure(rounds: int) -> inside.Costs:
    """CPU microseconds of each page by each way. Raises StackError."""
    stack.become_account(course.RESULTS)
    cores, planned = machine.cores(shared=False), CHANGES["as-planned"]
    with stack.prepared(cores.stack, []) as lab_stack:
        processes = Processes(cores.stack, Path(lab_stack.plan.paths.log))
        try:
            for service in planned.strategy.services:
                processes.start(service(lab_stack))
            command = [sys.executable, "-m", "loadtest.lab.inside", "cost", str(rounds)]
            environment = stack.environment(lab_stack, planned.strategy)
            environment["PYTHONPATH"] += f":{lab_stack.plan.paths.app}"
            done = subprocess.run(
                command, env=environment, cwd="/", capture_output=True, text=True, check=False
            )
        finally:
            processes.stop()
    if done.returncode:
        raise TargetError(f"the pages cannot be asked for: {done.stderr.strip()[-800:]}")
    costs: inside.Costs = json.loads(done.stdout)
    return costs


def ratio(costs: inside.Costs, page: str, way: str, other: str) -> Estimate:
    """How many times the time of `other` the time of `way` is."""
    above, below = (dict(enumerate(costs[page][name])) for name in (way, other))
    estimate = intervals.ratio(above, below, SEED)
    assert estimate
    return estimate


def report(costs: inside.Costs) -> Table:
    """A row for each page and comparison."""
    rounds = len(next(iter(costs[PAGE].values())))
    table = Table("page", "compared", "CPU-µs", "ratio", "95 %", title=f"{rounds} rounds")
    for page in costs:
        for way, other in COMPARED:
            estimate = ratio(costs, page, way, other)
            times = f"{median(costs[page][way]):,.0f} / {median(costs[page][other]):,.0f}"
            reach = "–" if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
            table.add_row(page, f"{way} / {other}", times, f"{estimate.value:.3f}", reach)
    return table


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="what the database backend and its guard cost")
    parser.add_argument(
        "--rounds", type=int, default=30, help="of 40 turns of each way (default 30)"
    )
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error(f"--rounds {rounds}: nothing would be measured. Name 1 or more.")
    costs = measure(rounds)
    Console().print(report(costs))
    return 0 if ratio(costs, PAGE, ON, OFF).value < LIMIT else 1


if __name__ == "__main__":
    sys.exit(program.status(main))
