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
from typing import Any

import containers
from containers import Container
from debian import ToolError, say

START_SECONDS = 30
PROGRAM = "start_pgbouncer.py"
OWN = "/run/stack/instance/pooler"
"""where a container finds its own socket"""
CONSOLE = "pgbouncer"
SEPARATOR = "|"


def ask(pooler: Container, plan: dict[str, Any], words: str, seconds: float = 10) -> str:
    """What the console of this PgBouncer answers. Raises ToolError when it has not, within so many
    seconds."""
    psql = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align")
    login = (f"--host={OWN}", f"--port={plan['pooler']['port']}", f"--username={CONSOLE}")
    bounded = ("timeout", "--kill-after=1", str(seconds))
    command = (*bounded, *psql, *login, f"--dbname={CONSOLE}", f"--command={words}")
    done = containers.execute(pooler.id, *command)
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


def take_over(old: Container, plan: dict[str, Any]) -> None:
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
    containers.wait(lambda: not _clients(old, plan), plan["web"]["request_timeout"])
    containers.end(old)
    say(f"replaced  PgBouncer, in {time.monotonic() - begun:.1f} s")


@contextmanager
def paused(pooler: Container, plan: dict[str, Any]) -> Iterator[None]:
    """Within it no transaction runs and none begins; afterwards they go on, whatever happened.

    Where this program does not come back, a process of the container lets them go on. Raises
    ToolError when a transaction does not end in time.
    """
    longest = plan["pooler"]["query_wait_timeout"]
    later = ("exec", "--detach", pooler.id, PROGRAM, "resume", str(longest - 1))
    containers.require(*later)
    try:
        ask(pooler, plan, "PAUSE", longest / 2)
        yield
    finally:
        containers.execute(pooler.id, PROGRAM, "resume", "0")


def _require_answers(pooler: Container, plan: dict[str, Any]) -> None:
    """Run a query through it, as its health check does. Raises ToolError."""
    psql = ("psql", "--no-psqlrc", "--quiet", f"--host={OWN}", f"--port={plan['pooler']['port']}")
    login = (f"--username={plan['pooler']['monitor_login']}", "--command=SELECT 1")
    query = ("timeout", "5", *psql, f"--dbname={plan['postgres']['database']}", *login)
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


def _clients(pooler: Container, plan: dict[str, Any]) -> int:
    """How many clients it has, but for who asks."""
    try:
        rows = ask(pooler, plan, "SHOW CLIENTS").splitlines()
    except ToolError:
        return 0  # it has ended
    return sum(row.split(SEPARATOR)[2] != CONSOLE for row in rows if row.strip())
