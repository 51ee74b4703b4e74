"""PgBouncer's console: questions as the monitoring login, commands as PgBouncer's own account.

Where there are several PgBouncers, all are asked, and all do what is commanded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, fields

import psycopg2

from pgstack.errors import ProbeError
from pgstack.live.probes import bounded, console
from pgstack.live.probes.together import together
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
    """Rows of `SHOW what`, of all PgBouncers together, of `plan` or of the plan in force.

    Raises ProbeError when a console does not answer.
    """
    plan = plan or current_plan()
    return together(what, [shown(what, plan, port) for port in ports(plan)])


def shown(what: str, plan: Plan, port: int) -> console.Rows:
    """The same of the PgBouncer that has this port."""
    return _ask(plan, port, layout.own_login(plan, plan.pooler.monitor_login), f"SHOW {what}")


def ports(plan: Plan) -> list[int]:
    """The port of each PgBouncer, that of the first one first."""
    return [process.port for process in plan.pooler.processes]


def command(plan: Plan, what: str, seconds: float = bounded.WAIT_SECONDS) -> None:
    """Run the command `what` on each console, as the account that PgBouncer runs as.

    Each is told, whatever the others say. Raises ProbeError when one refuses, or when not all have
    done it within `seconds`.
    """
    for refusal in filter(None, refusals(plan, what, seconds)):
        raise refusal


def refusals(
    plan: Plan, what: str, seconds: float = bounded.WAIT_SECONDS
) -> list[ProbeError | None]:
    """What each PgBouncer has against the same command, given to all at once; None of one that has
    done it."""

    def refusal(port: int) -> ProbeError | None:
        try:
            _ask(plan, port, console.CONSOLE, what)
        except ProbeError as error:
            return error
        return None

    told = ports(plan)
    with bounded.waits(seconds), ThreadPoolExecutor(len(told)) as threads:
        return list(threads.map(refusal, told))


def _ask(plan: Plan, port: int, login: str, words: str) -> console.Rows:
    several = f" at port {port}" if len(plan.pooler.processes) > 1 else ""
    try:
        with closing(console.connect(plan.paths.run_pooler, port, login)) as asked:
            return console.rows(asked, words)
    except psycopg2.Error as error:
        raise ProbeError(
            f"PgBouncer's console{several}: {str(error).strip()}. Is the stack up? `make status`."
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
