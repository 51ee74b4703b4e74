"""A major upgrade: what would stop it, and whether all has arrived."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgstack.ops import major
from pgstack.planning.services import postgres_program

from . import backup, major_files, postgres, repository, scratch, system
from .safe import StackctlError
from .stack import Stack

CONTROL_FILES = "/usr/share/postgresql/{}/extension"
Sequences = dict[str, tuple[int, int]]
Content = tuple[dict[str, str], Sequences]
"""rows and a digest of each table, last number and step of each sequence"""


def require(old: Stack, new: Stack, against: Iterator[str]) -> list[str]:
    """Raise StackctlError with all that would stop it, or what already stands `against` it; returns
    what is worth knowing."""
    versions = old.versions.postgresql, new.versions.postgresql
    if there := [*against]:
        raise StackctlError(f"{'; '.join(there)}. Nothing was changed.")
    if versions[0] >= versions[1]:
        raise StackctlError(
            f"PostgreSQL {versions[0]} is in force, and {versions[1]} is wanted: no later one. "
            "Nothing was changed."
        )
    wrong = [*_of_host(old, new), *_of_rows(old, new)]
    if wrong:
        raise StackctlError(
            f"PostgreSQL {versions[0]} cannot become {versions[1]}; nothing was changed:\n"
            + "\n".join(f"- {line}" for line in wrong)
        )
    return _notes(old)


def _of_host(old: Stack, new: Stack) -> Iterator[str]:
    program = postgres_program(new, "pg_upgrade")
    if not Path(program).exists():
        yield f"{program} is not there: apt-get install postgresql-{new.versions.postgresql}"
    if old.backup and any(system.busy(backup.unit(old, kind)) for kind in repository.KINDS):
        yield "a backup is being made: wait for its end"
    if not major_files.is_free(new):
        yield (
            f"PostgreSQL {new.versions.postgresql} has a cluster `{new.names.cluster}` that the "
            "stack did not make, or that has served: rename or drop it"
        )
    size = int(postgres.ask(old, major.FACTS).split("|")[0])
    try:
        backup.require_space(shutil.disk_usage(old.paths.home_postgres).free, size)
    except StackctlError as error:
        yield str(error)


def _of_rows(old: Stack, new: Stack) -> Iterator[str]:
    sockets = old.paths.run_postgres
    slots = major.OF_CLUSTER if old.cluster else major.OF_ALL
    place = Path(CONTROL_FILES.format(new.versions.postgresql))
    files = [path.name for path in place.glob("*.control")]
    yield from postgres.ask(old, major.CANNOT.format(slots=slots)).splitlines()
    for name in scratch.databases(old, sockets):
        with scratch.connected(old, sockets, name) as connection:
            yield from (f"{name}: {row[0]}" for row in scratch.rows(connection, major.UNLOGGED))
            names = [row[0] for row in scratch.rows(connection, major.EXTENSIONS)]
        for extension in major.missing_files(names, files) if place.is_dir() else []:
            yield (
                f"{name}: the extension {extension} has no files for PostgreSQL "
                f"{new.versions.postgresql}: install its package, or drop the extension"
            )


def _notes(old: Stack) -> list[str]:
    past = postgres.ask(old, major.PAST_POOLER.format(app=old.roles.app)).splitlines()
    notes = [f"past the pooler, cut off by it: {line.replace('|', ', ')}" for line in past]
    altered = postgres.ask(old, major.ALTERED).split()
    if altered:
        notes.append(f"set by ALTER SYSTEM, and not carried over: {' '.join(altered)}")
    return notes


@dataclass(frozen=True)
class Frozen:
    """Connections of psycopg2, by database, that see rows as they were at one moment, whatever is
    written later; and the sequences of then, which no transaction keeps."""

    connections: dict[str, Any]
    sequences: Sequences


@contextmanager
def frozen(stack: Stack, sockets: str) -> Iterator[Frozen]:
    """All that there is now."""
    with ExitStack() as opened:
        seen = Frozen({}, {})
        for name in scratch.databases(stack, sockets):
            connection = opened.enter_context(scratch.connected(stack, sockets, name))
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            scratch.execute(connection, begin, "SELECT 1")
            seen.connections[name] = connection
            for sequence, last, step in scratch.rows(connection, major.SEQUENCES):
                seen.sequences[f"{name}: {sequence}"] = int(last), int(step)
        yield seen


def content(seen: Frozen, kinds: str = major.COPIED) -> Content:
    """What there was at that moment, of tables of these kinds."""
    tables: dict[str, str] = {}
    for name, connection in seen.connections.items():
        for (table,) in scratch.rows(connection, major.TABLES.format(kinds)):
            ((said,),) = scratch.rows(connection, major.DIGEST.format(table))
            tables[f"{name}: {table}"] = said
    return tables, seen.sequences


def compare(old: Content, new: Content) -> str:
    """What was compared. Raises StackctlError with what differs."""
    (before, last), (after, now) = old, new
    wrong = [*major.differences(before, after), *major.behind(last, now)]
    if wrong:
        raise StackctlError("the new version has not what the old one had:\n" + "\n".join(wrong))
    return f"{len(before)} tables with the same rows, {len(last)} sequences go on"


def amcheck(stack: Stack, sockets: str) -> None:
    """Check every page and index of the new version. Raises StackctlError."""
    database = stack.postgres.database
    with scratch.connected(stack, sockets, database) as connection:
        had = ("amcheck",) in scratch.rows(connection, major.EXTENSIONS)
        scratch.execute(connection, "CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog")
        try:
            system.require(
                *(*system.CALM, postgres_program(stack, "pg_amcheck")),
                *(f"--host={sockets}", f"--port={stack.postgres.port}"),
                *(f"--username={stack.roles.admin}", f"--database={database}", "--heapallindexed"),
                account=stack.accounts.postgres,
            )
        finally:
            if not had:
                scratch.execute(connection, "DROP EXTENSION amcheck")
