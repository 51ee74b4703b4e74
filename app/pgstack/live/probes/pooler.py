"""PgBouncer's console: questions as the monitoring login, commands as PgBouncer's own account."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from pgstack.errors import ProbeError
from pgstack.live.probes import bounded
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.planning.state import current_plan

CONSOLE = "pgbouncer"
"""the console's name as a database, and the login of PgBouncer's own account, which may command"""
CONNECT_TIMEOUT_SECONDS = 2
"""libpq takes less than 2 as 2"""


@dataclass(frozen=True)
class Pool:
    """One row of SHOW POOLS, under PgBouncer's own names; maxwait in seconds, maxwait_us in
    microseconds."""

    database: str
    user: str
    cl_active: int
    cl_waiting: int
    sv_active: int
    sv_idle: int
    sv_used: int
    maxwait: int
    maxwait_us: int
    pool_mode: str


def show(what: str, plan: Plan | None = None) -> list[dict[str, Any]]:
    """Rows of `SHOW what`, at the PgBouncer of `plan` or of the plan in force.

    Raises ProbeError when the console does not answer.
    """
    plan = plan or current_plan()
    return _ask(plan, layout.own_login(plan, plan.pooler.monitor_login), f"SHOW {what}")


def command(plan: Plan, what: str, seconds: float = bounded.WAIT_SECONDS) -> None:
    """Have the console do `what`, for the account that PgBouncer runs as.

    Raises ProbeError when it refuses, or has not done it within `seconds`.
    """
    with bounded.waits(seconds):
        _ask(plan, CONSOLE, what)


def _ask(plan: Plan, login: str, words: str) -> list[dict[str, Any]]:
    connection = None
    try:
        connection = psycopg2.connect(
            host=plan.paths.run_pooler,
            port=plan.pooler.port,
            dbname=CONSOLE,
            user=login,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="probe",
        )
        connection.autocommit = True
        with connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(words)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []
    except psycopg2.Error as error:
        raise ProbeError(
            f"PgBouncer's console: {str(error).strip()}. Is the stack up? `make status`."
        ) from error
    finally:
        if connection is not None:
            connection.close()


def reconnect(plan: Plan) -> bool:
    """Have PgBouncer replace each backend at the end of its transaction; False where this account
    may not.

    It forgets what backends have in memory of a schema that has changed, statements that were
    prepared first of all.
    """
    try:
        command(plan, "RECONNECT")
    except ProbeError:
        return False
    return True


def pools() -> list[Pool]:
    """The pools, the console's own included. Raises ProbeError."""
    names = [field.name for field in fields(Pool)]
    return [Pool(**{name: row[name] for name in names}) for row in show("POOLS")]
