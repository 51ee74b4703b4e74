"""A PostgreSQL beside the one that serves, on a socket of its own: the copy that a major upgrade is
made of, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from pgstack.live.probes import bounded
from pgstack.ops import major
from pgstack.ops import postgres as server
from pgstack.planning.services import postgres_program

from . import postgres, safe, system
from .safe import StackctlError
from .stack import Stack

START_SECONDS = 60
REPLAY_SECONDS = 3600
"""for a copy to replay what was written while it was made"""
STATEMENT_SECONDS = 3600
"""bounds what reads all of a database"""
LATEST = "Latest checkpoint location:"
STATE = "Database cluster state:"
STOPPED = "shut down"
SYSTEM = "Database system identifier:"
Row = tuple[Any, ...]
Steps = dict[str, float]
"""seconds of each"""


def place(stack: Stack) -> Path:
    """Where scratch servers have their sockets and settings, and pg_upgrade writes."""
    return Path(stack.paths.home_postgres, "upgrade")


@dataclass(frozen=True)
class Scratch:
    """One with the programs of the version that `stack` plans; requests come before it."""

    stack: Stack
    data: Path

    @property
    def configuration(self) -> Path:
        """File of its settings."""
        return place(self.stack) / f"{self.stack.versions.postgresql}.conf"

    @property
    def log(self) -> Path:
        """What it writes."""
        return place(self.stack) / f"{self.stack.versions.postgresql}.log"

    def start(self, options: str = "", seconds: float = START_SECONDS) -> None:
        """Start it. Raises StackctlError with what its log says."""
        written = system.length(self.log)
        words = f"--options=-c config_file={self.configuration} {options}"
        wait = f"--timeout={seconds:.0f}"
        if self.control(words, f"--log={self.log}", "--wait", wait, "start").returncode:
            version = self.stack.versions.postgresql
            raise StackctlError(
                f"PostgreSQL {version} does not start with the copy: {self.fatal(written)}"
            )

    def fatal(self, written: int = 0) -> str:
        """Why it ended, as its log says after so many bytes."""
        said = [line for line in system.since(self.log, written) if "FATAL" in line]
        return said[0] if said else f"see {self.log}"

    def require_settings(self, planned: bytes) -> None:
        """Raise StackctlError unless it takes the settings that it will serve with."""
        path, account = place(self.stack) / "planned.conf", self.stack.accounts.postgres
        safe.write(path, planned, 0o600, account, account)
        program = postgres_program(self.stack, "postgres")
        words = (
            program,
            "-D",
            str(self.data),
            "-c",
            f"config_file={path}",
            "-C",
            "max_connections",
        )
        done = system.run(*words, account=account)
        if done.returncode:
            said = server.complaint(done.stderr)
            version = self.stack.versions.postgresql
            raise StackctlError(f"PostgreSQL {version} refuses its settings: {said}")

    def stop(self) -> None:
        """Stop it, if it runs."""
        self.control("--mode=fast", "--wait", "stop")

    def promote(self) -> None:
        """Let a standby take writes. Raises StackctlError."""
        done = self.control("--wait", "promote")
        if done.returncode:
            raise StackctlError(f"the copy is not promoted: {system.last_words(done)}")

    def control(self, *words: str) -> system.Done:
        """Of pg_ctl."""
        program = postgres_program(self.stack, "pg_ctl")
        account = self.stack.accounts.postgres
        return system.run(*system.CALM, program, f"--pgdata={self.data}", *words, account=account)

    def remove(self) -> None:
        """Stop it, and delete its data."""
        if (self.data / "postmaster.pid").exists():
            self.control("--mode=immediate", "--wait", "stop")
        delete(self.stack, self.data)


def delete(stack: Stack, path: Path) -> None:
    """A directory of PostgreSQL's account, which may have put links there: with its rights."""
    system.run("rm", "--recursive", "--force", str(path), account=stack.accounts.postgres)


def make_place(old: Stack, new: Stack) -> None:
    """Settings of scratch servers of both versions."""
    account, where = old.accounts.postgres, place(old)
    delete(old, where)
    system.require("install", "--directory", "--mode=0700", str(where), account=account)
    rows = (line.split("|") for line in postgres.ask(old, major.LIMITS).splitlines())
    text = major.settings(str(where), old.postgres.port, dict(rows))
    files = {
        "pg_hba.conf": major.HBA,
        "pg_ident.conf": f"upgrade {account} {old.roles.admin}\n",
        **{Scratch(side, where).configuration.name: text for side in (old, new)},
    }
    for name, content in files.items():
        safe.write(where / name, content.encode(), 0o600, account, account)


@contextmanager
def connected(stack: Stack, sockets: str, database: str) -> Iterator[Any]:
    """A connection of psycopg2's as the administrator; each statement commits, looks for names in
    pg_catalog alone, and is quoted as here, whatever is set for the database: its owner could have
    the administrator call a function of his. Raises StackctlError for an error of the server."""
    try:
        with bounded.waits(STATEMENT_SECONDS):
            with system.identity(stack.accounts.postgres):
                connection = psycopg2.connect(
                    host=sockets, port=stack.postgres.port, user=stack.roles.admin, dbname=database
                )
            with closing(connection):
                connection.autocommit = True
                # stack: allow H007 a session of its own, past the pooler
                execute(connection, "SET search_path = ''", "SET standard_conforming_strings = on")
                yield connection
    except psycopg2.Error as error:
        raise StackctlError(f"{database}: {str(error).strip()}") from None


def rows(connection: Any, query: str) -> list[Row]:
    """What it answers."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def execute(connection: Any, *statements: str) -> None:
    """Each of them, with no answer."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def databases(stack: Stack, sockets: str) -> list[str]:
    """Those that can be connected to."""
    with connected(stack, sockets, "postgres") as connection:
        return [name for (name,) in rows(connection, major.DATABASES)]


def control_data(stack: Stack, data: Path) -> tuple[str, str]:
    """State of a cluster that does not run, and where its last checkpoint is."""
    state, latest = _control_data(stack, data, STATE, LATEST)
    return state, latest


def system_identifier(stack: Stack, data: Path) -> str:
    """Which database it is: standbys have that of their primary."""
    return _control_data(stack, data, SYSTEM)[0]


def _control_data(stack: Stack, data: Path, *names: str) -> list[str]:
    words = postgres_program(stack, "pg_controldata"), str(data)
    lines = system.require("env", "LC_ALL=C", *words, account=stack.accounts.postgres).splitlines()
    return [
        next(line.partition(":")[2].strip() for line in lines if line.startswith(name))
        for name in names
    ]


@contextmanager
def timed(steps: Steps, name: str) -> Iterator[None]:
    """Note how long a step takes, and say so."""
    began = time.monotonic()
    yield
    steps[name] = time.monotonic() - began
    print(f"{name}: {steps[name]:.2f} s", flush=True)


def dump(stack: Stack, name: str, content: object) -> None:
    """A file beside the plan that root alone writes."""
    safe.make_directory(stack.conf / "upgrade", 0o700)
    safe.write(stack.conf / "upgrade" / name, json.dumps(content, indent=1).encode(), 0o600)


def load(stack: Stack, name: str) -> Any:
    """What `dump`, or the playbook, has left there; None without it."""
    try:
        return json.loads(safe.read(stack.conf / "upgrade" / name))
    except FileNotFoundError:
        return None
