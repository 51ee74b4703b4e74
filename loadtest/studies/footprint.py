"""Memory of the running local stack, by component: what the planner's memory constants are taken
from.

Run it while the stack is up, before and after load; `--clients 200` holds that many idle clients at
PgBouncer meanwhile. It reads /proc/PID/smaps_rollup, as root or as the account of the stack. All
figures are per process:

- PSS: what the process holds, a page that n processes share counted as 1/n. Shared memory is left
  out: shared_buffers belong to PostgreSQL as a whole, whoever touched them.
- private: pages that no other process maps. Also with those of shared memory that only this process
  touched.

docs/measurements.md says how its figures were made. Exit status 2: the stack does not run, or may
not be read.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Table  # noqa: E402

from loadtest import program  # noqa: E402
from pgstack.errors import TargetError  # noqa: E402
from pgstack.live import account  # noqa: E402
from pgstack.planning.plan import Plan  # noqa: E402
from pgstack.planning.services import DAEMON  # noqa: E402
from pgstack.planning.state import current_plan  # noqa: E402

MB = 1024**2
BACKEND_TITLE = re.compile(r"postgres: (\S+: )?\S+ \S+ \[local\]")


@dataclass(frozen=True)
class Footprint:
    """Memory of one process in bytes."""

    pss: int
    private: int


def parse(rollup: str) -> Footprint:
    """The footprint that the text of a smaps_rollup file gives (proc_pid_smaps(5); sizes in kB)."""
    kb = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE)}
    return Footprint(
        pss=(kb["Pss"] - kb["Pss_Shmem"]) * 1024,
        private=(kb["Private_Clean"] + kb["Private_Dirty"]) * 1024,
    )


OTHERS = {
    "pgstack.targets.guard": "guard",
    "pgstack.metrics": "exporter",
    "/pgbouncer ": "PgBouncer",
}
"""names by a part of a command line"""


def component(title: str, parent: str) -> str:
    """Name in the table of a process by its title (command line) and its parent's."""
    if title.startswith("postgres: "):
        return "PostgreSQL: backend" if BACKEND_TITLE.match(title) else "PostgreSQL: helper process"
    if "/bin/postgres " in title:
        return "PostgreSQL: first process"
    if title.startswith(DAEMON):
        return "web: daemon process"
    if "/apache2 " in title:
        return "Apache: child" if "/apache2 " in parent else "Apache: first process"
    named = (name for word, name in OTHERS.items() if word in title)
    return next(named, "supervisord")


def processes(plan: Plan) -> Iterator[tuple[str, Footprint]]:
    """Component and footprint of each process of the stack.

    Raises TargetError when it does not run or may not be read.
    """
    try:
        top = psutil.Process(int(Path(plan.paths.root, "run/supervisord.pid").read_text()))
        for process in (top, *top.children(recursive=True)):
            parent = process.parent()
            title, above = (
                " ".join(program.cmdline()) if program else "" for program in (process, parent)
            )
            yield (
                component(title, above),
                parse(Path(f"/proc/{process.pid}/smaps_rollup").read_text()),
            )
    except (OSError, ValueError, psutil.Error) as error:
        raise TargetError(
            f"{plan.paths.root}: {error}. Start the stack, and run as root or its account."
        ) from None


@contextmanager
def idle_clients(plan: Plan, count: int) -> Iterator[None]:
    """`count` clients at PgBouncer that have run a query each and wait. Raises TargetError when it
    refuses them."""
    login = f"host={plan.paths.run_pooler} port={plan.pooler.port} user={plan.pooler.web_login}"
    with ExitStack() as clients:
        try:
            for _ in range(count):
                client = clients.enter_context(
                    closing(psycopg2.connect(f"{login} dbname={plan.postgres.database}"))
                )
                client.autocommit = True
                client.cursor().execute("SELECT 1")
        except psycopg2.Error as error:
            raise TargetError(
                f"{count} clients: {str(error).strip()}. A larger STACK_WEB_HOSTS allows more."
            ) from None
        yield


def report(footprints: Iterable[tuple[str, Footprint]]) -> Table:
    """One row per component: processes, and the mean and the largest of PSS and private memory in
    MB."""
    groups: dict[str, list[Footprint]] = {}
    for name, footprint in footprints:
        groups.setdefault(name, []).append(footprint)
    table = Table("component", title="MB per process, shared memory left out of PSS")
    for heading in ("processes", "PSS mean", "PSS max", "private mean", "private max"):
        table.add_column(heading, justify="right")
    for name, group in sorted(groups.items()):
        sizes = ([footprint.pss for footprint in group], [footprint.private for footprint in group])
        cells = [
            f"{value / MB:.1f}" for size in sizes for value in (sum(size) / len(size), max(size))
        ]
        table.add_row(name, str(len(group)), *cells)
    return table


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="memory of the running local stack, by component")
    parser.add_argument(
        "--clients", type=int, default=0, help="idle clients to hold at PgBouncer meanwhile"
    )
    chosen = parser.parse_args()
    plan = current_plan()
    account.assume_owner(Path(plan.paths.root))
    with idle_clients(plan, chosen.clients):
        Console().print(report(processes(plan)))
    return 0


if __name__ == "__main__":
    sys.exit(program.status(main))
