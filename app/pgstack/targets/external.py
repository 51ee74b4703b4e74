"""An external PostgreSQL, for the local target: its roles, the files with which the
stack logs in there, and what is refused because it is somebody else's."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from pgstack.errors import ProbeError, TargetError
from pgstack.external import roles
from pgstack.external.server import Server
from pgstack.live.probes import postgres
from pgstack.ops import rendered
from pgstack.planning import state
from pgstack.planning.input_names import EXTERNAL
from pgstack.planning.plan import Plan
from pgstack.rendering import passwords
from pgstack.rendering.file import File
from pgstack.targets.run import Say


def files(plan: Plan) -> list[File]:
    """With which the stack logs in; none where PostgreSQL is its own. Raises StackError."""
    return passwords.files(plan, passwords.known(plan)) if plan.external else []


def prepare(plan: Plan, server: Server | None, say: Say) -> list[File]:
    """Create the roles and their passwords there; returns the files that hold them.

    The files are written first: statements that an administrator has to run by hand contain
    verifiers of these passwords. Raises StackError, with nothing else changed.
    """
    if server is None:
        return []
    words = passwords.known(plan)
    wanted = passwords.files(plan, words)
    rendered.write(wanted)
    made = "made" if roles.ensure(plan, server, words) else "in place"
    say(f"database  {server.place.text}, PostgreSQL {server.granted.version}, roles {made}")
    return wanted


def require_same(plan: Plan) -> None:
    """Raise TargetError where a reload would have to lead pages to another database."""
    before, after = state.started_plan(), plan
    places = [
        (plan.postgres.host, plan.postgres.port, plan.postgres.database) for plan in (before, after)
    ]
    if places[0] != places[1]:
        raise TargetError(
            f"reload: {EXTERNAL}: pages work with another database, whose rows stay there. `make "
            "up` restarts the stack with this one. Nothing was changed."
        )


def trouble(plan: Plan) -> str:
    """Why it does not answer; empty when it does."""
    try:
        with closing(postgres.connect(plan, plan.roles.monitor)) as connection:
            postgres.query(connection, "SELECT 1")
    except (psycopg2.Error, ProbeError) as error:
        return str(error).strip().splitlines()[0]
    return ""
