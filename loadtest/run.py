"""`make loadtest`: load on the running stack, a table, and a verdict by exit status.

0: every request was answered. 1: some failed, or none was made. 2: bad input, or no stack to load.
With STRATEGIES=reconnect,persistent,pgbouncer each of these runs on a temporary stack of its own instead.
"""

from __future__ import annotations

# isort: off
import locust  # noqa: F401 - first: it replaces parts of the standard library that the others use

# isort: on
import os
import signal
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.progress import BarColumn, Progress, TextColumn  # noqa: E402
from rich.table import Table  # noqa: E402

from loadtest import compare, figures, generator, inputs, strategies  # noqa: E402
from pgstack.errors import ProbeError, StackError, TargetError  # noqa: E402
from pgstack.probes import web  # noqa: E402
from pgstack.state import current_plan  # noqa: E402

CANNOT = 2


def require_answer(url: str, page: str) -> None:
    """Raise TargetError unless `page` exists on a stack that is ready."""
    for path, remedy in (("/readyz", "Start the stack with `make up`"), (page, "Choose another PAGE")):
        try:
            web.fetch(f"{url}{path}", seconds=10)
        except ProbeError as error:
            raise TargetError(f"{error}. {remedy}.") from None


def measure(url: str, load: inputs.Load, console: Console) -> figures.Result:
    """One run with a progress line, or one plain line where nobody watches."""
    total = inputs.WARM_SECONDS + load.seconds
    if not console.is_terminal:
        console.print(f"loading {url}{load.page} with {load.users} users for {total} s", soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seen]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("warming up", total=total, seen="")

        def show(done: float, requests: int, failures: int) -> None:
            phase = "measuring" if done >= inputs.WARM_SECONDS else "warming up"
            bar.update(task, completed=done, description=phase, seen=f"{requests} requests, {failures} failures")

        return generator.run(url, load, show)


def report(result: figures.Result, url: str, load: inputs.Load, console: Console) -> None:
    """The table, and what a reader has to know beside it."""
    table = Table(title=f"{url}{load.page}, {load.users} users, {result.seconds:.0f} s")
    for heading in ("requests/s", "p50 ms", "p99 ms", "failures", "requests", "generator CPU"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{result.rate:.0f}", f"{result.p50:.1f}", f"{result.p99:.1f}", str(result.failures), str(result.requests),
        f"{result.generator:.0%}",
    )  # fmt: skip
    console.print(table)
    if result.generator > figures.BUSY_GENERATOR:
        console.print("The generator was busy for most of a core: the stack may be faster than this.")
    for reason in result.reasons:
        console.print(f"failed: {reason}", markup=False)
    if not result.requests:
        console.print("failed: no request was answered. Give it longer with SECONDS=30.")


def compared(names: list[str], load: inputs.Load, console: Console) -> int:
    """Run the strategies one after another; the worst verdict counts."""
    trials = {name: compare.trial(name, load, lambda url, load: measure(url, load, console), console) for name in names}
    compare.report(trials, load, console)
    return max(figures.verdict(trial.result) for trial in trials.values())


def main() -> int:
    """Run, print, and return the exit status."""
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # temporary stacks are taken down first
    try:
        load, names = inputs.load(os.environ), strategies.chosen(os.environ)
        if names:
            return compared(names, load, console)
        url = inputs.base_url(current_plan())
        require_answer(url, load.page)
        result = measure(url, load, console)
    except StackError as error:
        print(error, file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    report(result, url, load, console)
    return figures.verdict(result)


if __name__ == "__main__":
    sys.exit(main())
