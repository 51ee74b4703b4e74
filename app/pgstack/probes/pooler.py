"""PgBouncer's console, as the monitoring login, which may look only; and as PgBouncer's own account, which may act."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from pgstack import layout
from pgstack.errors import ProbeError
from pgstack.plan import Plan
from pgstack.state import current_plan

CONNECT_TIMEOUT_SECONDS = 2
"""libpq takes less than 2 as 2"""


@dataclass(frozen=True)
class Pool:
    """One row of SHOW POOLS, under PgBouncer's own names; maxwait in seconds, maxwait_us in microseconds."""

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


OWN = "pgbouncer"
"""login that PgBouncer gives to its own account without a password, for whatever the console can do"""


def show(what: str) -> list[dict[str, Any]]:
    """Rows of `SHOW what`. Raises ProbeError when the console does not answer."""
    plan = current_plan()
    try:
        with _console(plan, layout.own_login(plan, plan.pooler.monitor_login)) as cursor:
            cursor.execute(f"SHOW {what}")
            return [dict(row) for row in cursor.fetchall()]
    except psycopg2.Error as error:
        raise ProbeError(f"PgBouncer's console: {str(error).strip()}. Is the stack up? `make status`.") from error


def reconnect(plan: Plan) -> bool:
    """Have PgBouncer replace each backend at the end of its transaction; False where this account may not.

    It forgets what backends have in memory of a schema that has changed, statements that were prepared first of all.
    """
    try:
        with _console(plan, OWN) as cursor:
            cursor.execute("RECONNECT")
    except psycopg2.Error:
        return False
    return True


@contextmanager
def _console(plan: Plan, login: str) -> Iterator[Any]:
    connection = psycopg2.connect(
        host=plan.paths.run_pooler, port=plan.pooler.port, dbname="pgbouncer", user=login,
        connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name="probe",
    )  # fmt: skip
    try:
        connection.autocommit = True
        with connection.cursor(cursor_factory=RealDictCursor) as cursor:
            yield cursor
    finally:
        connection.close()


def pools() -> list[Pool]:
    """The pools, the console's own included. Raises ProbeError."""
    names = [field.name for field in fields(Pool)]
    return [Pool(**{name: row[name] for name in names}) for row in show("POOLS")]
