"""PostgreSQL of the local target: its cluster made, its files looked through before it
reads them, its restart, its roles."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from pgstack.errors import InputError, TargetError
from pgstack.live.probes import postgres, supervisord
from pgstack.ops import lines, replacing
from pgstack.ops import postgres as server
from pgstack.planning import locales
from pgstack.planning.plan import Plan
from pgstack.planning.services import postgres_program
from pgstack.targets import failure, supervision
from pgstack.targets.run import Run

POLL_SECONDS = 0.01
"""while requests are held back"""


def require_locale(plan: Plan) -> None:
    """Raise InputError where a database that runs sorts otherwise, or where the machine cannot sort
    as wanted."""
    if plan.external:
        return
    existing = postgres.locale(plan) if "postgres" in plan.services else ""
    if reason := locales.refusal(plan.postgres.locale, existing, locales.available()):
        raise InputError(reason)


def initialise(run: Run) -> None:
    """initdb into a neighbour that is renamed when complete, so that data is whole or not there.

    Raises TargetError.
    """
    plan = run.plan
    data = Path(plan.paths.data)
    with replacing.directory(data.parent) as parent:
        if data.exists():
            replacing.remove(parent, replacing.fresh_name(data.name))
            return
        with replacing.replacing(parent, data.name) as fresh:
            failure.require(plan, make_cluster(run, data.with_name(fresh)), "initdb")
    run.say("initdb    data checksums on")


def make_cluster(run: Run, directory: Path) -> subprocess.CompletedProcess[str]:
    """initdb of the plan's version into a new directory."""
    words = [
        postgres_program(run.plan, "initdb"),
        f"--pgdata={directory}",
        f"--username={run.plan.roles.admin}",
        "--auth=peer",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, stdout=pipe, stderr=pipe, text=True, pass_fds=run.inherited
    ) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            # It removes what it has made, and its own processes write there for a moment more.
            process.terminate()
            process.communicate()  # until nobody holds its output
            raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def start(run: Run) -> None:
    """Start it, unless it runs, with its roles in place. Raises TargetError."""
    plan = run.plan
    supervision.start(plan, "postgres")
    supervision.wait(
        lambda: psql(plan, "SELECT 1").returncode == 0,
        "PostgreSQL",
        f"{plan.paths.log}/postgres.log",
    )
    done = psql(plan, file=f"{plan.paths.conf}/postgres/roles.sql")
    failure.require(plan, done, "roles.sql")
    run.say("postgres  answers on its socket, roles in place")


def look_through(plan: Plan) -> bool:
    """Whether what its files say now waits for a restart. Raises TargetError with the lines that
    are wrong."""
    rows = _ask(plan, lines.LINES)
    wrong = [text for waits, text in rows if not waits]
    if wrong:
        raise TargetError(f"PostgreSQL refuses the new configuration: {'; '.join(wrong)}.")
    return bool(rows)


def reload(plan: Plan) -> None:
    """Reload its files; its processes read them a moment later. Raises TargetError."""
    _ask(plan, "SELECT pg_reload_conf()")


def checkpoint(plan: Plan) -> None:
    """Leave little to be written at the next stop. Raises TargetError."""
    _ask(plan, "CHECKPOINT")


def restart(plan: Plan, seconds: float) -> None:
    """Stop it, have its supervisor start it again, and wait until it takes connections.

    Raises TargetError when it does not within `seconds`.
    """
    old = supervision.process_ids(plan, "postgres")[0]
    if old:
        os.kill(old, signal.SIGINT)
    log = f"{plan.paths.log}/postgres.log"
    supervision.wait(lambda: _ready(plan, old), "PostgreSQL", log, seconds, POLL_SECONDS)


def _ready(plan: Plan, old: int) -> bool:
    """Whether another process than `old` takes connections."""
    supervisord.states(
        plan
    )  # a question wakes supervisord, which else looks after its children once a second
    try:
        process, ready = server.started(Path(plan.paths.data, server.LOCK_FILE).read_text())
    except OSError:
        return False
    return ready and process != old


def roles(plan: Plan) -> None:
    """Roles and rights as the script says. Raises TargetError with the line that fails."""
    done = psql(plan, file=f"{plan.paths.conf}/postgres/roles.sql")
    if done.returncode:
        raise TargetError(f"roles.sql: {done.stderr.strip()}.")


def psql(
    plan: Plan, command: str | None = None, file: str | None = None
) -> subprocess.CompletedProcess[str]:
    """A command or a script of the administrator, in the database postgres."""
    what = f"--command={command}" if command else f"--file={file}"
    place = plan.paths.run_postgres, plan.postgres.port, "postgres"
    words = server.psql(*place, what, user=plan.roles.admin)
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _ask(plan: Plan, statement: str) -> list[tuple[Any, ...]]:
    try:
        with (
            closing(postgres.connect(plan, plan.roles.admin)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    except psycopg2.Error as error:
        raise TargetError(
            f"PostgreSQL: {str(error).strip()}. See {plan.paths.log}/postgres.log."
        ) from None
