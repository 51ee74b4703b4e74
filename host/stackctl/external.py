"""An external PostgreSQL, of web hosts: asked before anything is planned, and given
the stack's roles.

The first web host makes the passwords and keeps them for root alone, as a database host of the
stack's own does; every web host is given those that it uses (role pgbouncer).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import ValidationError

from pgstack.errors import StackError
from pgstack.external import password, roles
from pgstack.external.server import Server, answered, require_fit
from pgstack.planning.database_url import MODES, DatabaseUrl
from pgstack.planning.databases import Roles
from pgstack.planning.grants import Grants
from pgstack.planning.plan import Plan

from . import authority, passwords, safe
from .safe import StackctlError
from .stack import Stack

NAMED = "stack_inputs.database_password_file"


def main() -> None:
    """Print what the server grants, and what it granted the plan in force: `now` and `before`.

    The command line has the server (a DatabaseUrl as JSON), its password's file, and the plan in
    force, which need not be there. 2 when it cannot be asked.
    """
    given, file, plan = sys.argv[1:]
    try:
        place = DatabaseUrl.model_validate_json(given)
        now = _answered(place, Path(file)).granted.connections(Roles().app)
        before = _before(Path(plan), place)
    except (StackError, StackctlError) as error:
        print(f"stack_inputs.database_url: {error}", file=sys.stderr)
        sys.exit(2)
    print(json.dumps({"now": now.model_dump(), "before": before and before.model_dump()}))


def ensure(stack: Stack, file: Path) -> str:
    """Make passwords here and roles there; returns what was done. On StackctlError the server has
    all of the roles or none."""
    place = _place(stack)
    try:
        server = _answered(place, file)
        require_fit(stack, server)
        safe.write(authority.AUTHORITY, safe.read(Path(place.sslrootcert)))
        passwords.ensure(stack)
        made = roles.ensure(stack, server, passwords.known(stack))
    except (StackError, OSError) as error:
        raise StackctlError(str(error)) from None
    said = "made" if made else "unchanged"
    return f"{place.text}, PostgreSQL {server.granted.version}, roles {said}"


def _place(stack: Stack) -> DatabaseUrl:
    given, where = stack.external, stack.postgres
    if given is None:
        raise StackctlError("PostgreSQL is the stack's own here: stackctl makes its roles there.")
    return DatabaseUrl(
        host=where.host,
        port=where.port,
        user=given.login,
        database=where.database,
        sslmode=MODES[0],
        sslrootcert=given.authority,
    )


def _answered(place: DatabaseUrl, file: Path) -> Server:
    password.require_authority(place)
    return answered(place, password.password(file, NAMED))


def _before(path: Path, place: DatabaseUrl) -> Grants | None:
    """Of a plan for the same database; None where there is none that can be read."""
    try:
        plan = Plan.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    where = plan.postgres
    here = (where.host, where.port, where.database) == (place.host, place.port, place.database)
    return plan.external.grants if plan.external and here else None
