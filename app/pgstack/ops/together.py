"""The database and the files of a stack, kept and brought back together: `make backup` and `make
restore` of the local target and of Compose, which differ in how programs are called.

A dump and not a copy of PostgreSQL's own files: it can be read by a later PostgreSQL, and nothing
of the server has to be set up for it. Runs with a bare Python as well.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgstack.errors import TargetError
from pgstack.ops import exchange, piping
from pgstack.ops.restic import Repository, Snapshot

DUMP = "database.dump"
LABEL = "backup="
"""begins the tag that the two snapshots of a backup share"""
VERSION = "postgresql="
"""begins the tag with the major version that the rows are of"""
OUTSIDE = f"--exclude={exchange.ASIDE}*"
NO_ROWS = "the database is in no backup of the stack: its administrator keeps and restores it"
COMPLAINT = re.compile("(ERROR|FATAL|DETAIL|HINT|error): ")
"""in a line of PostgreSQL's programs that says what is wrong"""
RENAMES = 3
"""tries, of which PostgreSQL waits 5 s in each for sessions to end"""
TABLES = (
    "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)


@dataclass(frozen=True)
class Stack:
    """What is kept, and how programs are called beside it."""

    tree: str
    database: str = ""
    """empty where its administrator keeps it: files alone are kept and brought back"""
    admin: str = ""
    sockets: str = ""
    roles: str = ""
    """path of the script of roles, where PostgreSQL's programs are called"""
    programs: tuple[str, ...] = ()
    """what a command line of PostgreSQL's begins with"""
    directory: str = ""
    """of its programs, with a slash at its end"""
    python: tuple[str, ...] = ("python3",)
    """that reads a program from standard input, where it may write the files"""
    reading: tuple[str, ...] = ()
    """options of restic when it reads the tree"""

    def words(self, program: str, *arguments: str) -> list[str]:
        """Command line of one of PostgreSQL's programs."""
        where = (f"--host={self.sockets}", f"--username={self.admin}")
        return [*self.programs, f"{self.directory}{program}", *where, *arguments]

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What a statement answers. Raises TargetError."""
        return self._psql(database, f"--command={statement}")

    def _psql(self, database: str, what: str) -> str:
        bare = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        # stack: allow H032 a socket of the administrator's, before any pooler runs
        words = self.words("psql", *bare, f"--dbname={database}", what)
        return _run(words).strip()

    def rename_database(self, old: str, new: str) -> None:
        """Give a database another name, and end the sessions in it: the exporter has one, and may
        be back before the name is changed. Raises TargetError."""
        others = f"FROM pg_stat_activity WHERE datname = '{old}'"
        ended = f"SELECT pg_terminate_backend(pid, 5000) {others}"
        for left in reversed(range(RENAMES)):
            try:
                self.sql(f'{ended}; ALTER DATABASE "{old}" RENAME TO "{new}"')
            except TargetError:
                if not left:
                    raise
            else:
                return

    def make_database(self) -> None:
        """Roles, rights and a database where there is none. Raises TargetError."""
        self._psql("postgres", f"--file={self.roles}")

    def version(self) -> int:
        """PostgreSQL's major version. Raises TargetError."""
        return int(self.sql("SHOW server_version_num")) // 10000

    def load(self, pour: Callable[[list[str]], None], version: int) -> None:
        """The rows of a dump of this version, which `pour` gives to a program, in a database that
        has none. Raises TargetError."""
        self.make_database()
        # The script of roles has made it, and the dump makes it too.
        self.sql("DROP SCHEMA IF EXISTS stack CASCADE", self.database)
        words = ["--exit-on-error", "--single-transaction", f"--dbname={self.database}"]
        if version != self.version():
            # Rights on PostgreSQL's own functions, which may have other arguments by now.
            words.append("--exclude-schema=pg_catalog")
        pour(self.words("pg_restore", *words))

    def complete(self) -> None:
        """Rights and statistics, once the rows are there. Raises TargetError."""
        self.make_database()
        self.sql("ANALYZE", self.database)

    def exchange(self, *arguments: str) -> None:
        """Run the program of `exchange`. Raises TargetError."""
        _run([*self.python, "-", self.tree, *arguments], Path(exchange.__file__).read_text())


@dataclass(frozen=True)
class Kept:
    """A backup: rows as of one moment, None where they are not the stack's to keep, and files as
    of a later one."""

    name: str
    rows: Snapshot | None
    files: Snapshot

    @property
    def moment(self) -> float:
        """What it is of, in seconds since 1970."""
        return (self.rows or self.files).moment

    @property
    def version(self) -> int:
        """PostgreSQL's of the rows; 0 where it is not known."""
        tags = self.rows.tags if self.rows else ()
        return next((int(tag.removeprefix(VERSION)) for tag in tags if tag.startswith(VERSION)), 0)

    @property
    def text(self) -> str:
        """`20261124T030012Z: rows as of …, files as of …`."""
        rows = f"rows as of {moment_text(self.rows)}" if self.rows else "no rows"
        return f"{self.name}: {rows}, files as of {moment_text(self.files)}"


def kept_text(backup: Kept, place: str) -> str:
    """What is said of a backup that was made: where it is, and what is not in it."""
    text = f"kept      {backup.text}, in {place}"
    return text if backup.rows else f"{text}\nnot kept  {NO_ROWS}"


def moment_text(snapshot: Snapshot) -> str:
    """When a snapshot was made: `2026-11-24 03:00:12+00`."""
    return f"{datetime.fromtimestamp(snapshot.moment, UTC):%Y-%m-%d %H:%M:%S}+00"


def save(stack: Stack, repository: Repository) -> Kept:
    """Keep both, rows first: each has its file in what is read after it. Raises TargetError."""
    name = _now()
    tag = f"{LABEL}{name}"
    rows = _save_rows(stack, repository, tag) if stack.database else None
    options = (OUTSIDE, *stack.reading)
    return Kept(name, rows, repository.save([Path(stack.tree)], tag, options=options))


def _save_rows(stack: Stack, repository: Repository, tag: str) -> Snapshot:
    return repository.save_output(_dump(stack), DUMP, tag, f"{VERSION}{stack.version()}")


def _dump(stack: Stack) -> list[str]:
    return stack.words("pg_dump", "--format=custom", "--compress=0", f"--dbname={stack.database}")


def move(old: Stack, new: Stack) -> None:
    """The rows of a database in a fresh one of another server, which is not of an earlier version.
    Raises TargetError."""
    new.load(lambda words: piping.pipe(_dump(old), words), old.version())
    new.complete()


def listed(repository: Repository) -> list[Kept]:
    """Whole backups, oldest first: those that were cut off have rows only. Raises TargetError."""
    halves: dict[str, dict[bool, Snapshot]] = {}
    for snapshot in repository.snapshots():
        for tag in snapshot.tags:
            if tag.startswith(LABEL):
                is_dump = snapshot.trees == (f"/{DUMP}",)
                halves.setdefault(tag.removeprefix(LABEL), {})[is_dump] = snapshot
    return [
        Kept(name, both.get(True), both[False]) for name, both in halves.items() if False in both
    ]


def choose(repository: Repository, name: str, *, with_rows: bool) -> Kept:
    """The backup of this name, the newest without one; of a stack that keeps its rows, one that has
    them. Raises TargetError."""
    backups = [each for each in listed(repository) if each.rows or not with_rows]
    if not backups:
        of_rows = " of a database" if with_rows else ""
        raise TargetError(
            f"{repository.place} holds no backup{of_rows} yet. `make backup` makes one."
        )
    chosen = next((each for each in reversed(backups) if name in ("", each.name)), None)
    if chosen is None:
        names = ", ".join(each.name for each in backups[-5:])
        raise TargetError(f"BACKUP={name}: no such backup. The last are {names}.")
    return chosen


def bring_back(
    stack: Stack, repository: Repository, backup: Kept, say: Callable[[str], None]
) -> None:
    """Rows and files in the place of those that are there, which are kept aside; files alone where
    the database is its administrator's. The stack's own PostgreSQL runs, and nobody works with it.
    Raises TargetError with the rows of before in place."""
    if not stack.database or backup.rows is None:
        _bring_files(stack, repository, backup)
        say(f"restored  {backup.name}: files as of {moment_text(backup.files)}; {NO_ROWS}")
        return
    stack.make_database()
    aside = ""
    if stack.sql(TABLES, stack.database) != "0":
        aside = f"{stack.database}-before-{_now()}"
        stack.rename_database(stack.database, aside)
        say(f"aside     the rows of before, in the database {aside}")
    rows, version = backup.rows, backup.version or stack.version()
    try:
        stack.load(lambda words: repository.pour(rows, f"/{DUMP}", words), version)
        _bring_files(stack, repository, backup)
    except TargetError as error:
        _put_back(stack, aside, error)
        raise
    stack.complete()
    say(f"restored  {backup.text}")


def _bring_files(stack: Stack, repository: Repository, backup: Kept) -> None:
    stack.exchange()
    repository.restore(backup.files, Path(stack.tree, exchange.STAGE))
    stack.exchange(backup.files.trees[0], _now())


def _put_back(stack: Stack, aside: str, reason: TargetError) -> None:
    """The rows of before under their name. Raises TargetError with the `reason` of the failure
    too."""
    try:
        # A session of what has failed may take its time to end.
        stack.sql(f'DROP DATABASE IF EXISTS "{stack.database}" WITH (FORCE)')
        if aside:
            stack.rename_database(aside, stack.database)
    except TargetError as error:
        kept = f" The rows of before are in the database {aside}." if aside else ""
        raise TargetError(f"{reason} Then: {error}{kept}") from None


def _now() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def _run(words: Sequence[str], text: str = "") -> str:
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [words[0]]
        raise TargetError(
            " ".join([line for line in lines if COMPLAINT.search(line)] or lines[-1:])
        )
    return done.stdout
