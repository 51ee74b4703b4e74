"""An external PostgreSQL, as it answered."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from pgstack.errors import InputError
from pgstack.external import findings, grants
from pgstack.external.findings import FAILS
from pgstack.external.grants import Granted
from pgstack.planning.database_url import DatabaseUrl
from pgstack.planning.databases import Roles
from pgstack.planning.input_names import EXTERNAL
from pgstack.planning.plan import Plan


@dataclass(frozen=True)
class Server:
    """Where it is, how its login gets in, and what it said."""

    place: DatabaseUrl
    password: str
    granted: Granted


def answered(place: DatabaseUrl, password: str) -> Server:
    """What it says to its login. Raises StackError."""
    with closing(grants.reader(place, password)) as connection:
        granted = grants.ask(connection, Roles())
    version = findings.version(granted)
    if version.verdict == FAILS:
        raise InputError(f"{EXTERNAL}: {place.text}: {version.text}.")
    return Server(place, password, granted)


def require_fit(plan: Plan, server: Server) -> None:
    """Raise InputError where this plan cannot run on that server."""
    lines = findings.judge(plan, server.granted, named=True)
    if wrong := [line.text for line in lines if line.verdict == FAILS]:
        raise InputError(f"{EXTERNAL}: {server.place.text}: {'; '.join(wrong)}")
