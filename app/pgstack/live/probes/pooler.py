"""PgBouncer's console: questions as the monitoring login, commands as PgBouncer's own account."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, fields

import psycopg2

from pgstack.errors import ProbeError
from pgstack.live.probes import bounded, console
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.planning.state import current_plan


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


def show(what: str, plan: Plan | None = None) -> console.Rows:
    """Rows of `SHOW what`, at the PgBouncer of `plan` or of the plan in force.

    Raises ProbeError when the console does not answer.
    """
    plan = plan or current_plan()
    return _ask(plan, layout.own_login(plan, plan.pooler.monitor_login), f"SHOW {what}")


def command(plan: Plan, what: str, seconds: float = bounded.WAIT_SECONDS) -> None:
    """Run the command `what` on the console, as the account that PgBouncer runs as.

    Raises ProbeError when it refuses, or has not done it within `seconds`.
    """
    with bounded.waits(seconds):
        _ask(plan, console.CONSOLE, what)


def _ask(plan: Plan, login: str, words: str) -> console.Rows:
    try:
        with closing(console.connect(plan.paths.run_pooler, plan.pooler.port, login)) as asked:
            return console.rows(asked, words)
    except psycopg2.Error as error:
        raise ProbeError(
            f"PgBouncer's console: {str(error).strip()}. Is the stack up? `make status`."
        ) from error


def reconnect(plan: Plan) -> bool:
    """Make PgBouncer replace each backend at the end of its transaction; False where this account
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
