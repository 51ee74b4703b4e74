"""PgBouncer is restarted under load: requests that fail with pgstack.db and with Django's own
backend, side by side.

    .venv/bin/python loadtest/studies/pooler_restart.py --restarts 20
    .venv/bin/python loadtest/studies/pooler_restart.py --restarts 20 --kill

It makes a stack of its own, as `make loadtest` does. Two processes with 8 threads each ask the
demo's application for pages, a quarter of them transfers, each looked up at the end; both see the
same restarts. SIGINT lets transactions end; with --kill it is SIGKILL, where writes in flight have
an outcome that nobody knows.

Exit status 1: a request failed with pgstack.db, or an acknowledged write is lost. 2: a stack cannot
be made here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from signal import SIGINT, SIGKILL, Signals
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Table  # noqa: E402

from loadtest import program  # noqa: E402
from loadtest.lab import course, machine, stack  # noqa: E402
from loadtest.lab.changes import CHANGES  # noqa: E402
from loadtest.lab.processes import Processes  # noqa: E402
from loadtest.lab.server import LabStack  # noqa: E402
from pgstack.errors import TargetError  # noqa: E402

OURS, STOCK = "as-planned", "stock-backend"
THREADS = 8
PAUSE_SECONDS = 0.5
"""before each restart and after the last one"""
ROWS = {
    "requests": "sent",
    "failed": "failed",
    "of these reads": "failed_reads",
    "writes acknowledged": "writes",
    "of these lost": "lost",
    "failed, yet stored": "stored_though_failed",
}

Outcomes = dict[str, dict[str, Any]]


def measure(restarts: int, how: Signals) -> Outcomes:
    """What each backend's load saw, by the name of the change. Raises StackError."""
    stack.become_account(course.RESULTS)
    cores = machine.cores(shared=False)
    with stack.prepared(cores.stack, []) as lab_stack:
        logs = Path(lab_stack.plan.paths.log)
        database, pooler = (service(lab_stack) for service in CHANGES[OURS].strategy.services)
        pooler = replace(pooler, stop=how)
        kept, restarted = Processes(cores.stack, logs), Processes(cores.stack, logs)
        try:
            kept.start(database)
            restarted.start(pooler)
            loads = {name: _load(lab_stack, name) for name in (OURS, STOCK)}
            for _ in range(restarts):
                time.sleep(PAUSE_SECONDS)
                restarted.stop()
                restarted.start(pooler)
            time.sleep(PAUSE_SECONDS)
            return {name: _outcome(lab_stack, name, process) for name, process in loads.items()}
        finally:
            restarted.stop()
            kept.stop()


def _load(lab_stack: LabStack, name: str) -> subprocess.Popen[str]:
    """A process that has begun to ask."""
    environment = stack.environment(lab_stack, CHANGES[name].strategy)
    environment["PYTHONPATH"] += f":{lab_stack.plan.paths.app}"
    path = _log(lab_stack, name)
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.lab.inside", "load", str(THREADS)],
            env=environment,
            cwd="/",
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout
    if process.stdout.readline() != "begin\n":
        raise TargetError(
            f"{name}: the application cannot be asked: {path.read_text().strip()[-800:]}"
        )
    return process


def _outcome(lab_stack: LabStack, name: str, process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate("")
    if process.returncode:
        raise TargetError(
            f"{name}: the load ended: {_log(lab_stack, name).read_text().strip()[-800:]}"
        )
    outcome: dict[str, Any] = json.loads(said)
    return outcome


def _log(lab_stack: LabStack, name: str) -> Path:
    return Path(lab_stack.plan.paths.log, f"load-{name}.log")


def report(outcomes: Outcomes, restarts: int, how: Signals) -> Table:
    """The figures as a table, a column for each backend of Django."""
    table = Table("", "pgstack.db", "Django's own", title=f"{restarts} restarts by {how.name}")
    for title, name in ROWS.items():
        table.add_row(title, *(f"{outcomes[backend][name]:,}" for backend in (OURS, STOCK)))
    table.add_row(
        "longest request, ms",
        *(f"{outcomes[backend]['longest'] * 1000:,.0f}" for backend in (OURS, STOCK)),
    )
    return table


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="requests that fail while PgBouncer is restarted")
    parser.add_argument("--restarts", type=int, default=10, help="how often (default 10)")
    parser.add_argument("--kill", action="store_true", help="SIGKILL instead of SIGINT")
    asked = parser.parse_args()
    if asked.restarts < 1:
        parser.error(f"--restarts {asked.restarts}: nothing would be measured. Name 1 or more.")
    how = SIGKILL if asked.kill else SIGINT
    outcomes = measure(asked.restarts, how)
    Console().print(report(outcomes, asked.restarts, how))
    return 1 if outcomes[OURS]["failed"] or outcomes[OURS]["lost"] else 0


if __name__ == "__main__":
    sys.exit(program.status(main))
