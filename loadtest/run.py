"""`make loadtest`: load on the running stack, a table, and a verdict by exit status.

0: every request was answered. 1: some failed or were never answered, or none was made. 2: bad input, or no stack.
The lab runs unless SUITE=running names the stack that runs here, or HOST= the user's own, never faster than MAX_RATE.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.progress import BarColumn, Progress, TextColumn  # noqa: E402
from rich.table import Table  # noqa: E402

from loadtest import inputs  # noqa: E402
from loadtest.inputs import Target  # noqa: E402
from loadtest.lab import generator, histograms  # noqa: E402
from loadtest.lab.generator import BUSY, Job, Outcome  # noqa: E402
from loadtest.lab.model import Load  # noqa: E402
from pgstack.errors import ProbeError, StackError, TargetError  # noqa: E402
from pgstack.probes import web  # noqa: E402
from pgstack.state import current_plan  # noqa: E402

OK, FAILED, CANNOT = 0, 1, 2
PHASES = {"warming": "warming up", "measuring": "measuring", "draining": "waiting for the last answers"}
REASONS_SHOWN = 3


def require_answer(target: Target, page: str) -> None:
    """Raise TargetError unless `page` exists, on a stack of ours that is ready."""
    checks = [(page, "Choose another PAGE")]
    if not target.named:
        checks.insert(0, ("/readyz", "Start the stack with `make up`"))
    for path, remedy in checks:
        try:
            web.fetch(f"{target.url}{path}", seconds=10)
        except ProbeError as error:
            raise TargetError(f"{error}. {remedy}.") from None


def measure(target: Target, load: Load, console: Console) -> Outcome:
    """One run with a progress line, or one plain line where nobody watches."""
    if not console.is_terminal:
        console.print(f"loading {target.url}{load.page} with {load.users} users for {load.seconds:g} s", soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[seen]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("starting", total=None, seen="")

        def show(at: generator.Progress) -> None:
            seen = "" if at.phase == "warming" else f"{at.requests} requests, {at.failures} failures"
            bar.update(task, completed=at.done, total=at.total, description=PHASES[at.phase], seen=seen)

        job = Job(url=target.url, loads=(load,), named=target.named, max_rate=target.max_rate)
        return generator.drive(job, show)


def verdict(outcome: Outcome) -> int:
    """Exit status: FAILED when nothing was answered, or any request failed or was never answered."""
    return FAILED if outcome.failures or outcome.unanswered or not outcome.requests else OK


def report(outcome: Outcome, target: Target, console: Console) -> None:
    """The table, and what a reader has to know beside it."""
    load, times = outcome.load, histograms.decode(outcome.latency)
    table = Table(title=f"{target.url}{load.page}, {load.users} users, {outcome.seconds:.0f} s")
    for heading in ("requests/s", "p50 ms", "p99 ms", "requests", "failed", "unanswered", "generator"):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = (histograms.percentile(times, percent) for percent in (50, 99))
    table.add_row(
        f"{outcome.requests / outcome.seconds:.0f}", *("" if ms is None else f"{ms:.1f}" for ms in shown),
        str(outcome.requests), str(outcome.failures), str(outcome.unanswered), f"{outcome.generator_cpu:.0%}",
    )  # fmt: skip
    console.print(table)
    for note in notes(outcome, target):
        console.print(note, markup=False)


def notes(outcome: Outcome, target: Target) -> list[str]:
    """What the table does not say, one sentence each."""
    found = []
    if outcome.generator_cpu > BUSY:
        found.append(
            f"void as a capacity: the generator used {outcome.generator_cpu:.0%} of its core, more than {BUSY:.0%}."
            " The stack may be faster than this."
        )
    if target.max_rate:
        found.append(f"paced to MAX_RATE={target.max_rate}: this is not the capacity of the host.")
    worst = sorted(outcome.reasons, key=lambda reason: -outcome.reasons[reason])[:REASONS_SHOWN]
    found += [f"failed: {outcome.reasons[reason]} × {reason}" for reason in worst]
    if not outcome.requests:
        found.append("failed: no request was answered. Give it longer with SECONDS=30.")
    return found


def main() -> int:
    """Run, print, and return the exit status."""
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the generator is ended first
    try:
        if not os.environ.get("HOST") and os.environ.get("SUITE") != "running":
            suite = importlib.import_module("loadtest.lab.suite")  # with its numeric libraries only when asked for
            return int(suite.run(os.environ, console))
        load = inputs.load(os.environ)
        target = inputs.named_target(os.environ) or Target(inputs.base_url(current_plan()))
        require_answer(target, load.page)
        outcome = measure(target, load, console)
    except StackError as error:
        print(error, file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    report(outcome, target, console)
    return verdict(outcome)


if __name__ == "__main__":
    sys.exit(main())
