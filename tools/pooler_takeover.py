"""Another PgBouncer takes over from the one that serves, and requests wait at it meanwhile where
PostgreSQL restarts.

Each container makes its socket in a directory of its own, in a volume that both share. Clients find
one through a link there; once it leads to the new one they connect to that at their next request
(pgstack.db), and the old one ends when they have left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import containers
from containers import Container
from debian import ToolError, say
from pgstack.ops import drain, postgres

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

START_SECONDS = 30
PROGRAM = "start_pgbouncer.py"
CONSOLE = "pgbouncer"
SEPARATOR = "|"


def ask(pooler: Container, plan: Plan, words: str, seconds: float = 10) -> str:
    """What the console of this PgBouncer answers. Raises ToolError when it has not, within so many
    seconds."""
    psql = _psql(plan, CONSOLE, CONSOLE, words)
    done = containers.execute(pooler.id, "timeout", "--kill-after=1", str(seconds), *psql)
    if done.returncode:
        told = (
            containers.last_words(containers.output_of(done)) or f"no answer within {seconds:.0f} s"
        )
        raise ToolError(f"PgBouncer: {words}: {told}")
    return done.stdout.decode()


def serving() -> Container:
    """The container whose socket clients find. What a command that was killed left beside it is
    removed. Raises ToolError where none runs."""
    instances = containers.running("pgbouncer")
    led = [
        instance
        for instance in instances
        if containers.execute(instance.id, PROGRAM, "serves").returncode == 0
    ]
    kept = led[0] if led else containers.only_container("pgbouncer")
    containers.remove_others("pgbouncer", kept)
    return kept


def take_over(old: Container, plan: Plan) -> None:
    """Replace `old` by a container of the current image, files and inputs. Raises ToolError, with
    `old` serving as before."""
    begun = time.monotonic()
    try:
        new = containers.start_second("pgbouncer", old)
        containers.let_work(new)
        _require_answers(new, plan)
        containers.require("exec", new.id, PROGRAM, "take-over")
    except BaseException:
        containers.remove_others("pgbouncer", old)
        raise
    # Their requests began before the link led elsewhere, and none is longer than this.
    containers.wait(lambda: not _clients(old, plan), plan.web.request_timeout)
    containers.end(old)
    say(f"replaced  PgBouncer, in {time.monotonic() - begun:.1f} s")


@contextmanager
def paused(pooler: Container, plan: Plan) -> Iterator[None]:
    """Within it no transaction runs and none begins; afterwards they go on, whatever happened.

    Where this program does not come back, a process of the container lets them go on. Raises
    ToolError when a transaction does not end in time.
    """
    later = str(plan.pooler.query_wait_timeout - 1)
    containers.require("exec", "--detach", pooler.id, PROGRAM, "resume", later)
    try:
        ask(pooler, plan, "PAUSE", drain.patience(plan))
        yield
    finally:
        containers.execute(pooler.id, PROGRAM, "resume", "0")


def _require_answers(pooler: Container, plan: Plan) -> None:
    """Run a query through it, as its health check does. Raises ToolError."""
    psql = _psql(plan, plan.postgres.database, plan.pooler.monitor_login, "SELECT 1")
    query = ("timeout", "5", *psql)
    containers.wait(
        lambda: (
            not containers.runs(pooler) or containers.execute(pooler.id, *query).returncode == 0
        ),
        START_SECONDS,
    )
    if containers.execute(pooler.id, *query).returncode:
        logs = containers.output_of(containers.run("logs", "--tail=20", pooler.id)).splitlines()
        wrong = [line for line in logs if "FATAL" in line or "ERROR" in line]
        raise ToolError(
            f"the new PgBouncer does not answer: {(wrong or logs or ['no output'])[-1]}"
        )


def _psql(plan: Plan, database: str, user: str, command: str) -> list[str]:
    """Words within a container, where it finds its own socket."""
    place = plan.paths.run_pooler_own, plan.pooler.port, database
    return postgres.psql(*place, f"--command={command}", user=user)


def _clients(pooler: Container, plan: Plan) -> int:
    """How many clients it has, but for who asks."""
    try:
        rows = ask(pooler, plan, "SHOW CLIENTS").splitlines()
    except ToolError:
        return 0  # it has ended
    return sum(row.split(SEPARATOR)[2] != CONSOLE for row in rows if row.strip())
