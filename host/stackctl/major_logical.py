"""A major upgrade by logical replication: the new version is made of a copy while requests are
served, asks the old one for what is written meanwhile, and takes its place once it has all. So
requests wait no longer with many tables. Of a single host alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgstack.ops import logical, major

from . import (
    backup,
    major_checks,
    major_copy,
    major_files,
    major_rehearsal,
    major_switch,
    safe,
    scratch,
    system,
    workers,
)
from .safe import StackctlError
from .scratch import Scratch, Steps, timed
from .stack import Stack

FOLLOWS_SECONDS = 3600
"""for the new version to get what was written while it was made"""
NEAR_BYTES = 4 * 1024**2
"""of WAL that it may lack when requests are held back: less than a second of it"""
POLL_SECONDS = 0.05
PATIENT = float(scratch.STATEMENT_SECONDS)
AT_ONCE = "-c wal_retrieve_retry_interval=100ms"
"""it connects anew to a server that was started again without the usual 5 s"""
BOUNDS = major.STOP_SECONDS, major.SWITCH_SECONDS


@dataclass(frozen=True)
class Following:
    """The new version, which runs beside the one that serves, and gets all that it writes."""

    server: Scratch
    schema: str
    """digest of the old one's schema when the copy was made"""
    rebuilt: list[str]
    """indexes that were sorted anew"""


def against(old: Stack) -> Iterator[str]:
    """What stands against it."""
    if old.cluster:
        yield "a cluster is upgraded without --logical"
    yield from major_switch.require(old)


def _require(old: Stack, new: Stack) -> list[str]:
    notes = major_checks.require(old, new, against(old))
    _require_rows(old, old.paths.run_postgres)
    return notes


def _require_rows(old: Stack, sockets: str) -> None:
    """Raise StackctlError with what cannot be replicated."""
    if wrong := [*_of_rows(old, sockets)]:
        raise StackctlError(
            f"PostgreSQL {old.versions.postgresql} cannot be followed by logical replication; "
            "nothing was changed:\n" + "\n".join(f"- {line}" for line in wrong)
        )


def _of_rows(old: Stack, sockets: str) -> Iterator[str]:
    own = old.postgres.database
    for name in scratch.databases(old, sockets):
        with scratch.connected(old, sockets, name) as connection:
            if name == own:
                yield from (row[0] for row in scratch.rows(connection, logical.AGAINST))
            elif scratch.rows(connection, logical.OWN_TABLES) != [(0,)]:
                yield f"the database {name} has tables, and {own} alone is replicated: drop it"


def rehearse(old: Stack) -> str:
    """Have a copy follow as the new version, and do with it what requests would wait for; returns
    how long that took. Raises StackctlError with what would stop it. The publication and the slot
    that the server which serves gets for it are dropped again."""
    files = major_files.staged(old)
    new = major_files.plan_of(old, files)
    notes = _require(old, new)
    safe.remove(old.conf / "upgrade" / major_rehearsal.LOGICAL)
    fresh = major_copy.rehearsed(new)
    _clear(old, new)
    major_copy.initdb(new, fresh.data)
    steps: Steps = {}
    following = _follow(old, new, files, fresh)
    sockets = str(scratch.place(new))
    with timed(steps, "last rows"):
        _await(old, old.paths.run_postgres, new, PATIENT, rest=True)
    with timed(steps, "schema"):
        _require_schema(old, old.paths.run_postgres, following.schema)
        _require_rows(old, old.paths.run_postgres)
    with timed(steps, "sequences"):
        # Its own ones: of a sequence of the server that serves somebody may make a view meanwhile.
        _sequences(new, sockets, new)
    with timed(steps, "end of the new"):
        _end_subscription(new)
        fresh.stop()
    major_copy.drop_slots(old)
    with timed(steps, "its start"):
        fresh.start(AT_ONCE)
    steps["start of the old, closed to others"] = steps["its start"]
    major_checks.amcheck(new, sockets)
    fresh.remove()
    major_copy.clear(old, new)
    notes += [f"sorted anew: {index}" for index in following.rebuilt]
    notes.append("pg_amcheck has nothing against it")
    return major_rehearsal.keep(old, new, steps, notes, BOUNDS, major_rehearsal.LOGICAL)


def upgrade(old: Stack) -> str:
    """Have the new version serve; returns what was done. Raises StackctlError, and the old one
    serves (`settle`), unless it says otherwise."""
    files = major_files.staged(old)
    new = major_files.plan_of(old, files)
    _require(old, new)
    major_rehearsal.require(old, new, major_rehearsal.LOGICAL)
    major_copy.discard(new)
    _clear(old, new)
    major_files.keep(old, files, major_files.OLD)
    following = _follow(old, new, files, major_copy.create(new))
    with ExitStack() as opened:
        with _disabled(old, new), major_switch.held(old) as left:
            _drain(old, new, following, left)
            major_switch.start(new, files, left)
            asked = opened.enter_context(major_checks.frozen(new, new.paths.run_postgres))
            left()
            major_switch.give_way(old, new, files)
        lines = [f"PostgreSQL {new.versions.postgresql} serves; {left.text()}"]
        lines += [f"sorted anew: {index}" for index in following.rebuilt]
        # A materialized view was filled anew, and the old one's may be of another moment.
        lines += major_switch.afterwards(old, new, asked, major.DUMPED)
    return major_switch.told(old, new, lines)


def _clear(old: Stack, new: Stack) -> None:
    major_copy.clear(old, new)
    scratch.make_place(old, new)


def _follow(old: Stack, new: Stack, files: major_files.Files, fresh: Scratch) -> Following:
    """Make the new version of a copy, and have it follow, while requests are served. Raises
    StackctlError."""
    fresh.require_settings(major_files.settings(new, files))
    sockets, before = str(scratch.place(new)), major_copy.collations(old, old.paths.run_postgres)
    schema = _schema(old, old.paths.run_postgres)
    safe.write(major_copy.slots_mark(old), b"")
    with _connected(old, old.paths.run_postgres) as connection:
        scratch.execute(connection, *logical.PUBLISH)
    server = major_copy.take(old)
    with _connected(old, old.paths.run_postgres) as connection:
        ((point,),) = scratch.rows(connection, logical.CREATE_SLOT)
        scratch.execute(connection, logical.BEYOND)
    server.start(logical.recovery(point), scratch.REPLAY_SECONDS)
    with _connected(old, sockets) as connection:
        if not system.wait(
            lambda: scratch.rows(connection, logical.RECOVERED) == [(True,)], FOLLOWS_SECONDS
        ):
            raise StackctlError(f"the copy does not arrive at {point}: {_log(old)}")
    major_copy.open_functions(old, new)
    server.stop()
    major_copy.drop_slots(old, major.DROP_COPYS_SLOT)
    major_copy.convert(server, fresh, PATIENT)
    fresh.start(AT_ONCE)
    rebuilt = major_copy.complete(new, sockets, before, PATIENT)
    _require_schema(old, old.paths.run_postgres, schema)
    with _connected(new, sockets) as connection:
        to = _to(old, old.paths.run_postgres)
        scratch.execute(connection, logical.UNPUBLISH, *logical.subscribe(to, point))
    _await(old, old.paths.run_postgres, new, FOLLOWS_SECONDS)
    with _connected(new, sockets) as connection:
        views = [str(row[0]) for row in scratch.rows(connection, logical.VIEWS)]
        scratch.execute(connection, *views)
    _await(old, old.paths.run_postgres, new, FOLLOWS_SECONDS)
    return Following(fresh, schema, rebuilt)


def _drain(old: Stack, new: Stack, following: Following, left: major_switch.Held) -> None:
    """Have the new version get the rest from the old one, which nobody else can write to, and end
    both. Raises StackctlError."""
    steps: Steps = {}
    last, sockets = Scratch(old, Path(old.paths.data)), str(scratch.place(old) / "last")
    words = ("install", "--directory", "--mode=0700", sockets)
    system.require(*words, account=old.accounts.postgres)
    with timed(steps, "start of the old, closed to others"):
        # Without a command nothing is archived, and nothing removed that is to be.
        last.start(f"-c unix_socket_directories={sockets} -c archive_mode=on", left())
    _require_schema(old, sockets, following.schema)
    _require_rows(old, sockets)
    with _connected(new, str(scratch.place(new))) as connection, timed(steps, "last rows"):
        scratch.execute(connection, logical.lead(_to(old, sockets)), logical.ENABLE)
        _await(old, sockets, new, left(), rest=True)
    with timed(steps, "sequences"):
        _sequences(old, sockets, new)
    with timed(steps, "end of both"):
        _end_subscription(new)
        following.server.stop()
        last.stop()


@contextmanager
def _disabled(old: Stack, new: Stack) -> Iterator[None]:
    """Within it the new version gets no rows, or the old one would not end before it has all. No
    worker runs, whose end may take minutes: all that is written meanwhile is in the hold."""
    with workers.stopped(old):
        with _connected(new, str(scratch.place(new))) as connection:
            scratch.execute(connection, logical.DISABLE)
        yield


def _end_subscription(new: Stack) -> None:
    with _connected(new, str(scratch.place(new))) as connection:
        scratch.execute(connection, *logical.UNSUBSCRIBE)


def _schema(stack: Stack, sockets: str) -> str:
    with _connected(stack, sockets) as connection:
        ((digest,),) = scratch.rows(connection, logical.SCHEMA)
    return str(digest)


def _require_schema(stack: Stack, sockets: str, before: str) -> None:
    """Raise StackctlError unless it is the same as before."""
    if _schema(stack, sockets) != before:
        raise StackctlError(
            "tables, functions, rights or roles were changed since the copy was made, which is not "
            "replicated; the version of before serves. Run it again, without a release meanwhile."
        )


def _sequences(old: Stack, sockets: str, new: Stack) -> None:
    """Have those of the new version go on where the old one's are."""
    with _connected(old, sockets) as connection:
        names = [str(row[0]) for row in scratch.rows(connection, logical.SEQUENCES)]
        known = [(name, *scratch.rows(connection, logical.number_of(name))[0]) for name in names]
    with _connected(new, str(scratch.place(new))) as connection:
        scratch.execute(connection, "SET synchronous_commit = off")  # it is stopped in a moment
        scratch.execute(connection, *(logical.set_number(*row) for row in known))


def _await(old: Stack, sockets: str, new: Stack, seconds: float, *, rest: bool = False) -> None:
    """Wait until the new version has nearly all that the old one writes, or the `rest` that it has
    written until now. Raises StackctlError."""
    place = str(scratch.place(new))
    with _connected(old, sockets) as connection, _connected(new, place) as following:

        def there() -> bool:
            backup.require_space(shutil.disk_usage(old.paths.home_postgres).free, 0)
            ((errors,),) = scratch.rows(following, logical.ERRORS)
            if errors and not rest:  # else of a connection to the server that has just ended
                raise StackctlError(
                    f"PostgreSQL {new.versions.postgresql} cannot take what is written: {_log(new)}"
                )
            return _number(connection, behind) <= most

        scratch.execute(connection, logical.BEYOND)  # its commit is the end of a record
        ((now,),) = scratch.rows(connection, logical.NOW)
        behind, most = (logical.behind(now), 0) if rest else (logical.BEHIND, NEAR_BYTES)
        if not system.wait(there, seconds, POLL_SECONDS):
            raise StackctlError(
                f"PostgreSQL {new.versions.postgresql} has not followed in {seconds:.0f} s: "
                f"{_number(connection, behind) // 1024**2} MB of WAL are left. {_log(new)}"
            )


def _log(new: Stack) -> str:
    """What went wrong last there."""
    log = Scratch(new, Path(new.paths.data)).log
    said = [line for line in system.since(log, 0) if "ERROR" in line or "FATAL" in line]
    return said[-1] if said else ""


def _number(connection: Any, query: str) -> int:
    """A query's answer, one number; more than any where there is none."""
    known = scratch.rows(connection, query)
    return int(known[0][0]) if known and known[0][0] is not None else 2**63


def _connected(stack: Stack, sockets: str) -> AbstractContextManager[Any]:
    return scratch.connected(stack, sockets, stack.postgres.database)


def _to(stack: Stack, sockets: str) -> str:
    """How the subscription connects."""
    return logical.connection(
        sockets, stack.postgres.port, stack.roles.admin, stack.postgres.database
    )
