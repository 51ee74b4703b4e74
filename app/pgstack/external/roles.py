"""Roles, rights and passwords on an external PostgreSQL: made, where its login may,
all of them or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import psycopg2

from pgstack.errors import ProbeError, TargetError
from pgstack.external import grants, statements
from pgstack.external.grants import REFUSED, Granted
from pgstack.external.server import Server
from pgstack.planning import targets
from pgstack.planning.input_names import EXTERNAL
from pgstack.planning.plan import Plan
from pgstack.rendering.scram import SALT_BYTES, verifier

RUN_BY_OTHERS = (
    "{name}: {place}: {reason}. Its administrator has to run this in the database {database}, and "
    "then `{start}` goes on; nothing was changed. It holds no password, only what checks one.\n\n"
    "{script}"
)

TAKEN = (
    "{roles}: there already, with another password. Where they are another site's, this one needs "
    "a server of its own; where they are this one's from before, their passwords are to change"
)


def ensure(plan: Plan, server: Server, passwords: Mapping[str, str]) -> bool:
    """Create or change them as planned; whether something was missing.

    Raises TargetError with the statements where the login may not run them, ProbeError where a role
    does not get in for another reason.
    """
    refusals = _refusals(server, passwords)
    there = server.granted.roles
    taken = [role for role in there if REFUSED in refusals.get(role, "")]
    wanted = {
        role: verifier(word, os.urandom(SALT_BYTES))
        for role, word in passwords.items()
        if role not in there or role in taken
    }
    script = statements.missing(plan, server.granted, server.place.database, wanted)
    if taken:
        raise _for_others(plan, server, TAKEN.format(roles=", ".join(taken)), script)
    if script:
        if not server.granted.may_create_roles:
            reason = f"{server.place.user} may not create roles there"
            raise _for_others(plan, server, reason, script)
        _run(plan, server, script)
        refusals = _refusals(server, passwords)
    for said in refusals.values():
        raise ProbeError(said)
    return bool(script)


def _refusals(server: Server, passwords: Mapping[str, str]) -> dict[str, str]:
    """Role → why it does not get in."""
    refused = {}
    for role, word in passwords.items():
        try:
            grants.connect(server.place, role, word).close()
        except ProbeError as error:
            refused[role] = f"as {role}: {error}"
    return refused


def _run(plan: Plan, server: Server, script: list[str]) -> None:
    """In one transaction, which ends well when nothing is missing any more. Raises TargetError."""
    with closing(grants.connect(server.place, server.place.user, server.password)) as connection:
        try:
            with connection.cursor() as cursor:
                cursor.execute("\n".join(script))
            left = statements.missing(plan, _again(connection, plan), server.place.database, {})
        except psycopg2.Error as error:
            reason = " ".join(str(error).split())
            told = f"{server.place.user} may not: {reason}"
            raise _for_others(plan, server, told, script) from None
        if left:
            connection.rollback()
            reason = f"{server.place.user} ran it, and has no right to hand on what it grants"
            raise _for_others(plan, server, reason, script)
        connection.commit()


def _again(connection: Any, plan: Plan) -> Granted:
    return grants.ask(connection, plan.roles)


def _for_others(plan: Plan, server: Server, reason: str, script: list[str]) -> TargetError:
    return TargetError(
        RUN_BY_OTHERS.format(
            name=EXTERNAL,
            place=server.place.text,
            reason=reason,
            start=targets.of(plan.target).start,
            database=server.place.database,
            script="\n".join(script),
        )
    )
