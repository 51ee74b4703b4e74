"""`make loadtest`: the load lab, the user's own HOST, or with SUITE=running the stack that runs
here.

0: fine. 1: a goal missed, a regression, something without a valid trial; SUITE=running: a request
failed or was never answered. 2: bad input, or it cannot run. 130: interrupted, by SIGINT or
SIGTERM.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.progress import BarColumn, Progress, TextColumn  # noqa: E402
from rich.table import Table  # noqa: E402

from loadtest import inputs, program  # noqa: E402
from loadtest import running as stack  # noqa: E402
from loadtest.lab import generator, histograms  # noqa: E402
from loadtest.lab.generator import BUSY, Job, Outcome  # noqa: E402
from loadtest.lab.model import Load  # noqa: E402
from pgstack.errors import ProbeError, TargetError  # noqa: E402
from pgstack.live.probes import web  # noqa: E402

OK, FAILED = 0, 1
PHASES = {
    "warming": "warming up",
    "measuring": "measuring",
    "draining": "waiting for the last answers",
}
REASONS_SHOWN = 3
FOREIGN = (
    *("STRATEGIES", "BLOCKS", "SEED", "FULL", "SHARED", "RESUME", "COMPARE"),
    *inputs.OF_PROJECT,
)
"""inputs of the lab that mean nothing for one load on a running stack"""


def require_answer(url: str, page: str) -> None:
    """Raise TargetError unless the stack is ready and `page` exists."""
    for path, remedy in (
        ("/readyz", "Start the stack with `make up`"),
        (page, "Choose another PAGE"),
    ):
        try:
            web.fetch(f"{url}{path}", seconds=10)
        except ProbeError as error:
            raise TargetError(f"{error}. {remedy}.") from None


def measure(url: str, load: Load, console: Console) -> Outcome:
    """One run with a progress line, or one plain line where nobody watches."""
    if not console.is_terminal:
        console.print(
            f"loading {url}{load.page} with {load.users} users for {load.seconds:g} s",
            soft_wrap=True,
        )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[seen]}"),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("starting", total=None, seen="")

        def show(at: generator.Progress) -> None:
            seen = (
                "" if at.phase == "warming" else f"{at.requests} requests, {at.failures} failures"
            )
            bar.update(
                task, completed=at.done, total=at.total, description=PHASES[at.phase], seen=seen
            )

        return generator.drive(Job(url=url, loads=(load,)), show)


def verdict(outcome: Outcome) -> int:
    """Exit status: FAILED when nothing was answered, or any request failed or was never
    answered."""
    return FAILED if outcome.failures or outcome.unanswered or not outcome.requests else OK


def report(outcome: Outcome, url: str, console: Console) -> None:
    """The table, and what a reader has to know beside it."""
    load, times = outcome.load, histograms.decode(outcome.latency)
    table = Table(title=f"{url}{load.page}, {load.users} users, {outcome.seconds:.0f} s")
    for heading in (
        "requests/s",
        "p50 ms",
        "p99 ms",
        "requests",
        "failed",
        "unanswered",
        "generator",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = (histograms.percentile(times, percent) for percent in (50, 99))
    table.add_row(
        f"{outcome.requests / outcome.seconds:.0f}",
        *("" if ms is None else f"{ms:.1f}" for ms in shown),
        str(outcome.requests),
        str(outcome.failures),
        str(outcome.unanswered),
        f"{outcome.generator_cpu:.0%}",
    )
    console.print(table)
    for note in notes(outcome):
        console.print(note, markup=False)


def notes(outcome: Outcome) -> list[str]:
    """What the table does not say, one sentence each."""
    sentences = []
    if outcome.generator_cpu > BUSY:
        sentences.append(
            f"void as a capacity: the generator used {outcome.generator_cpu:.0%} of its core, more "
            f"than {BUSY:.0%}."
            " The stack may be faster than this."
        )
    worst = sorted(outcome.reasons, key=lambda reason: -outcome.reasons[reason])[:REASONS_SHOWN]
    sentences += [f"failed: {outcome.reasons[reason]} × {reason}" for reason in worst]
    if not outcome.requests:
        sentences.append("failed: no request was answered. Give it longer with SECONDS=30.")
    return sentences


def running(environment: Mapping[str, str], console: Console) -> int:
    """One closed loop on the stack that runs here; the exit status. Raises StackError."""
    inputs.refuse(environment, FOREIGN, "says nothing in SUITE=running")
    load, url = inputs.load(environment), inputs.base_url(stack.plan(environment))
    require_answer(url, load.page)
    outcome = measure(url, load, console)
    report(outcome, url, console)
    return verdict(outcome)


def main() -> int:
    """Run, print, and return the exit status. Raises StackError."""
    console = Console()
    if not os.environ.get("HOST") and os.environ.get("SUITE") == "running":
        return running(os.environ, console)
    # The lab's numeric libraries only where they are needed.
    lab = importlib.import_module(f"loadtest.lab.{_lab(os.environ)}")
    return int(lab.run(os.environ, console))


def _lab(environment: Mapping[str, str]) -> str:
    """Which module measures what is asked for."""
    if environment.get("HOST"):
        return "host"
    return "against" if environment.get("AGAINST") else "suite"


if __name__ == "__main__":
    sys.exit(program.status(main))
