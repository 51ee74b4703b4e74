"""An external PostgreSQL, asked whether this stack could run on it: `python -m pgstack
database URL`. It reads, and changes nothing there."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path

from pgstack.errors import InputError
from pgstack.external import findings, grants, password, statements
from pgstack.planning import database_url, state
from pgstack.planning.databases import Roles


def main(words: list[str]) -> None:
    """Parse, ask, print; exits with 1 when something there has to change. Raises StackError."""
    parser = ArgumentParser("python -m pgstack database", description=__doc__)
    parser.add_argument("url", help="postgresql://login@host:port/database?sslrootcert=FILE")
    parser.add_argument("--password-file", type=Path, required=True, help="which only you may read")
    given = parser.parse_args(words)
    place = _place(given.url)
    word = password.password(given.password_file, "--password-file")
    plan = state.fresh_plan()
    with closing(grants.reader(place, word)) as connection:
        granted = grants.ask(connection, Roles())
    lines = findings.judge(plan, granted, named=place.sslmode == database_url.MODES[0])
    for line in lines:
        print(f"{line.verdict:<9} {line.text}")
    missing = statements.missing(plan, granted, place.database)
    if missing:
        who = "this login may run them" if granted.may_create_roles else "its administrator has to"
        print(f"\n-- To be run in the database {place.database}; {who}:")
        print("\n".join(missing))
    sys.exit(1 if missing or any(line.verdict == findings.FAILS for line in lines) else 0)


def _place(url: str) -> database_url.DatabaseUrl:
    """Raises InputError."""
    try:
        place = database_url.read(url)
    except ValueError as error:
        raise InputError(f"{error}.") from None
    password.require_authority(place)
    return place
