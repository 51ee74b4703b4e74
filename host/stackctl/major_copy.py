"""A copy of the database that serves: it follows as a standby, and is what pg_upgrade makes the new
version's of. The old one is only stopped, so it can be started again at any moment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pgstack.live.probes.collations import COLLATIONS, SORTED, out_of_order
from pgstack.ops import logical, major
from pgstack.ops import postgres as server_of
from pgstack.planning.services import UPGRADE_SLOT, postgres_program

from . import major_files, postgres, safe, scratch, system
from .safe import StackctlError
from .scratch import Scratch
from .stack import Stack

CATCH_UP_SECONDS = 10
FOLLOW_SECONDS = 30
"""for the copy to connect, which it tries every 5 s"""
POLL_SECONDS = 0.02
Collations = dict[str, list[scratch.Row]]
"""rows of COLLATIONS by database"""


def copy(old: Stack) -> Scratch:
    """Where the copy is: on the same file system, for links."""
    data = Path(old.paths.data)
    return Scratch(old, data.with_name(f"{data.name}.upgrade"))


def slots_mark(stack: Stack) -> Path:
    """Is there for as long as the server that serves may have slots of an upgrade, which keep WAL,
    and a publication."""
    return stack.conf / "upgrade" / "slots"


def rehearsed(new: Stack) -> Scratch:
    """What becomes of the copy in a rehearsal."""
    data = Path(new.paths.data)
    return Scratch(new, data.with_name(f"{data.name}.rehearsal"))


def clear(old: Stack, new: Stack) -> None:
    """Stop and delete whatever is left of scratch servers."""
    for server in (copy(old), rehearsed(new)):
        server.remove()
    scratch.delete(old, scratch.place(old))
    if postgres.answers(old):
        drop_slots(old)
        if not old.cluster:  # whose standbys take no writes
            with scratch.connected(
                old, old.paths.run_postgres, old.postgres.database
            ) as connection:
                scratch.execute(connection, logical.UNPUBLISH)
        safe.remove(slots_mark(old))


def drop_slots(old: Stack, query: str = major.DROP_SLOT) -> None:
    """Have the server that serves keep WAL for nobody, once nobody reads it."""
    system.wait(lambda: postgres.ask(old, major.IN_USE) == "0", FOLLOW_SECONDS)
    postgres.ask(old, query)


def make(old: Stack) -> Scratch:
    """Copy the server that runs, and have the copy follow it. Raises StackctlError."""
    server = take(old)
    server.start(seconds=scratch.REPLAY_SECONDS)
    if not system.wait(lambda: postgres.ask(old, major.SLOT_STATE) == "t", FOLLOW_SECONDS):
        said = system.since(server.log, 0)[-1:]
        raise StackctlError(f"the copy does not follow: {' '.join(said) or f'see {server.log}'}")
    return server


def take(old: Stack) -> Scratch:
    """Copy the server that runs; started, the copy would follow it. Raises StackctlError."""
    server = copy(old)
    safe.write(slots_mark(old), b"")
    words = (
        *(*system.CALM, postgres_program(old, "pg_basebackup")),
        *("--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-password"),
        *("--create-slot", f"--slot={UPGRADE_SLOT}"),
        *(f"--pgdata={server.data}", f"--host={old.paths.run_postgres}"),
        *(f"--port={old.postgres.port}", f"--username={old.roles.admin}"),
    )
    system.require(*words, account=old.accounts.postgres)
    return server


def catch_up(old: Stack) -> None:
    """Wait until the copy has all that the old server has written, which is stopped. Raises
    StackctlError."""
    state, end = scratch.control_data(old, Path(old.paths.data))
    if state != scratch.STOPPED:
        raise StackctlError(f"PostgreSQL {old.versions.postgresql} has not ended well: {state}.")
    query = f"SELECT pg_last_wal_replay_lsn() > '{end}'::pg_lsn"
    with scratch.connected(old, str(scratch.place(old)), "postgres") as connection:
        if not system.wait(
            lambda: scratch.rows(connection, query) == [(True,)], CATCH_UP_SECONDS, POLL_SECONDS
        ):
            raise StackctlError(f"the copy has not arrived at {end} in {CATCH_UP_SECONDS} s.")


def promote(old: Stack, new: Stack, server: Scratch) -> None:
    """Let the copy take writes, and make it fit for pg_upgrade. Raises StackctlError."""
    server.promote()
    open_functions(old, new)


def open_functions(old: Stack, new: Stack) -> None:
    """Have the copy's functions that the new version does not have, or with other arguments, as
    PostgreSQL has them: pg_upgrade would fail to carry their rights over. roles.sql closes the new
    version's. Raises StackctlError."""
    gone = set(old.postgres.closed_functions) - set(new.postgres.closed_functions)
    with scratch.connected(old, str(scratch.place(old)), old.postgres.database) as connection:
        for name in sorted(gone):
            scratch.execute(
                connection,
                f"REVOKE ALL ON FUNCTION {name} FROM {old.roles.owner} CASCADE",
                f"GRANT EXECUTE ON FUNCTION {name} TO PUBLIC",
            )


def initdb(new: Stack, data: Path) -> None:
    """An empty cluster of the new version, for a rehearsal. Raises StackctlError."""
    words = (
        *(postgres_program(new, "initdb"), f"--pgdata={data}", f"--username={new.roles.admin}"),
        *("--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=peer"),
    )
    system.require(*words, account=new.accounts.postgres)


def make_home(new: Stack) -> None:
    """The directory of its data, unless it is there."""
    data = Path(new.paths.data)
    safe.write(major_files.mark(new), b"Made by stackctl upgrade.\n")
    for path, mode in ((data.parent, "0755"), (data, "0700")):
        words = ("install", "--directory", f"--mode={mode}", str(path))
        system.require(*words, account=new.accounts.postgres)


def set_aside(stack: Stack) -> Path | None:
    """Keep its data under another name; returns that, None where there are none."""
    data = Path(stack.paths.data)
    if not (data / "PG_VERSION").exists():
        return None
    aside = data.with_name(f"{data.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    system.require("mv", "-T", str(data), str(aside), account=stack.accounts.postgres)
    return aside


def create(new: Stack) -> Scratch:
    """An empty cluster of the new version, which reads the plan's settings once it is started: as
    Debian has it, or of a cluster's member, as Patroni has it. Raises StackctlError."""
    account, place = new.accounts.postgres, major_files.cluster(new)
    make_home(new)
    if new.cluster:
        initdb(new, Path(new.paths.data))
        return Scratch(new, Path(new.paths.data))
    system.require(
        *("pg_createcluster", "--start-conf=manual", f"--user={account}"),
        f"--datadir={new.paths.data}",
        *(str(new.versions.postgresql), new.names.cluster, "--", f"--username={new.roles.admin}"),
    )
    link = (f"{new.paths.conf}/postgres/pgstack.conf", f"{place}/conf.d/pgstack.conf")
    system.require("ln", "--symbolic", "--force", *link, account=account)
    return Scratch(new, Path(new.paths.data))


def discard(new: Stack) -> None:
    """Delete a cluster of the new version. Raises StackctlError for one that has served."""
    if not major_files.is_free(new):
        raise StackctlError(f"{new.paths.data} is not of an upgrade that was cut off.")
    Scratch(new, Path(new.paths.data)).remove()
    forget(new)


def forget(stack: Stack) -> None:
    """Delete its data, and what is around them."""
    scratch.delete(stack, Path(stack.paths.data))
    safe.remove(major_files.cluster(stack))
    safe.remove(major_files.mark(stack))
    if not stack.cluster:  # of Patroni's unit, which is for all versions
        safe.remove(major_files.drop_in(stack).parent)


def roles(new: Stack, files: major_files.Files) -> None:
    """Roles and rights of the new version, on a scratch server."""
    text, account = major_files.content(new, files, "roles.sql"), new.accounts.postgres
    script = scratch.place(new) / "roles.sql"
    safe.write(script, text, 0o600, account, account)
    words = (str(scratch.place(new)), new.postgres.port, "postgres", f"--file={script}")
    system.require(*server_of.psql(*words, user=new.roles.admin), account=account)


def convert(server: Scratch, fresh: Scratch, seconds: float) -> None:
    """Make the copy, which is stopped, the new version's. Raises StackctlError with what pg_upgrade
    says."""
    sides = (server, fresh)
    old, new = (str(PurePosixPath(postgres_program(side.stack, "x")).parent) for side in sides)
    place = scratch.place(server.stack)
    words = major.pg_upgrade(
        (old, new),
        (str(server.data), str(fresh.data)),
        (str(server.configuration), str(fresh.configuration)),
        str(place),
        server.stack.roles.admin,
        max(2, server.stack.cores),
    )
    account = server.stack.accounts.postgres
    done = system.run(*system.CALM, *words, account=account, timeout=seconds)
    if done.returncode:
        said = major.complaint(f"{done.stdout}\n{done.stderr}")
        raise StackctlError(f"pg_upgrade: {said} {_details(fresh)}".rstrip())


def _details(fresh: Scratch) -> str:
    """First lines of the lists that it has left."""
    words = ("-name", "*.txt", "-size", "+0", "-exec", "head", "--lines=4", "{}", ";")
    place = f"{fresh.data}/pg_upgrade_output.d"
    done = system.run("find", place, *words, account=fresh.stack.accounts.postgres)
    return " ".join(done.stdout.split())


def collations(stack: Stack, sockets: str) -> Collations:
    """How each database sorts."""
    known = {}
    for name in scratch.databases(stack, sockets):
        with scratch.connected(stack, sockets, name) as connection:
            known[name] = scratch.rows(connection, COLLATIONS)
    return known


def complete(new: Stack, sockets: str, before: Collations, seconds: float) -> list[str]:
    """What pg_upgrade leaves to be done before pages may ask: extensions, indexes that another
    version of a collation has sorted, a few statistics. Returns what was rebuilt. Raises
    StackctlError when a statement takes longer than so many seconds."""
    names, rebuilt = scratch.databases(new, sockets), []
    if gone := sorted(set(before) - set(names)):
        raise StackctlError(f"databases that the new version does not have: {' '.join(gone)}")
    for name in names:
        with scratch.connected(new, sockets, name) as connection:
            # stack: allow H008 a session of its own, past the pooler
            limit = f"SET statement_timeout = '{seconds * 1000:.0f}ms'"
            scratch.execute(connection, limit, *_said(connection, major.UPDATES))
            after = scratch.rows(connection, COLLATIONS)
            sorts = scratch.rows(connection, SORTED)
            wrong = [index for index, _ in out_of_order(before.get(name, []), after, sorts)]
            scratch.execute(connection, *(f"REINDEX INDEX {index}" for index in wrong))
            scratch.execute(connection, *_said(connection, major.REFRESH), *major.FEW_STATISTICS)
            rebuilt += [f"{name}: {index}" for index in wrong]
    return rebuilt


def _said(connection: Any, query: str) -> list[str]:
    """Statements that a query answers with."""
    return [str(row[0]) for row in scratch.rows(connection, query)]
