"""The drills: what is broken, and what must come of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from fixtures import pooler_console
from fixtures.local_stack import LocalStack

UP = "`make up` by hand"
ITSELF = "by itself"


@dataclass(frozen=True)
class Drill:
    """One fault. `silence` is the longest that nobody may get a good answer, in seconds."""

    name: str
    broken: str
    told: str
    """where it shows"""
    back: str
    """what brings it back"""
    silence: float
    make: Callable[[LocalStack], None]
    stack: str
    """fixture of the stack that it is made on"""


DRILLS: list[Drill] = []


def drill(
    name: str, broken: str, told: str, silence: float, back: str = ITSELF, stack: str = "stack"
) -> Callable[[Callable[[LocalStack], None]], Callable[[LocalStack], None]]:
    """Register a drill."""

    def register(make: Callable[[LocalStack], None]) -> Callable[[LocalStack], None]:
        DRILLS.append(Drill(name, broken, told, back, silence, make, stack))
        return make

    return register


def program(stack: LocalStack, name: str) -> psutil.Process:
    """The first process of one server."""
    return psutil.Process(int(stack.pid(name)))


def supervisor(stack: LocalStack) -> psutil.Process:
    """The stack's supervisor."""
    return psutil.Process(int((stack.directory / "run/supervisord.pid").read_text()))


def backend(stack: LocalStack) -> psutil.Process:
    """A backend that the web uses."""
    return psutil.Process(
        int(stack.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'app' LIMIT 1"))
    )


def console(stack: LocalStack, command: str) -> None:
    """A command at PgBouncer's console; what it answers does not matter here."""
    pooler_console.command(stack, command, check=False)


def status(stack: LocalStack) -> tuple[int, str]:
    """What `make status` says."""
    done = stack.manage("stack_local", "status")
    return done.returncode, done.stdout + done.stderr


def require_told(stack: LocalStack, words: str) -> None:
    """`make status` says so, with exit status 1."""
    code, said = status(stack)
    assert code == 1, said
    assert words in said, said


@drill(
    "backend killed",
    "`kill -9` of one backend",
    "postgres.log",
    10,
)
def backend_killed(stack: LocalStack) -> None:
    """PostgreSQL ends all of them and recovers."""
    backend(stack).kill()


@drill("postmaster killed", "`kill -9` of PostgreSQL's first process", "supervisord.log", 15)
def postmaster_killed(stack: LocalStack) -> None:
    """Its supervisor starts it again, and it recovers."""
    program(stack, "postgres").kill()


@drill(
    "web process killed",
    "`kill -9` of a daemon process",
    "apache-error.log",
    5,
)
def daemon_killed(stack: LocalStack) -> None:
    """Apache starts another."""
    stack.daemons()[0].kill()


@drill("segfault", "SIGSEGV in a daemon process", "apache-error.log", 5)
def segfault(stack: LocalStack) -> None:
    """As a C extension may."""
    stack.daemons()[0].send_signal(signal.SIGSEGV)


@drill(
    "login file gone",
    "PgBouncer's `auth_file` is deleted and PgBouncer is killed",
    "`make verify`; nobody gets in until it is there",
    40,
    "`make up` writes it anew",
)
def login_file_gone(stack: LocalStack) -> None:
    """Without it nobody has a login."""
    text = (stack.directory / "conf/pgbouncer/pgbouncer.ini").read_text()
    file = Path(
        next(
            line.split("=")[1].strip() for line in text.splitlines() if line.startswith("auth_file")
        )
    )
    file.unlink()
    program(stack, "pgbouncer").kill()
    time.sleep(3)
    require_told(stack, "pgbouncer")
    done = stack.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr


@drill(
    "supervisor killed, then PgBouncer",
    "`kill -9` of supervisord, and of PgBouncer after it",
    "`make status`: UNSUPERVISED",
    40,
    UP,
)
def supervisor_killed(stack: LocalStack) -> None:
    """Servers that die afterwards stay dead."""
    victim = program(stack, "pgbouncer")
    supervisor(stack).kill()
    time.sleep(1)
    victim.kill()
    time.sleep(1)
    require_told(stack, "apache    UNSUPERVISED")
    done = stack.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr


@drill(
    "PAUSE forgotten",
    "`PAUSE` at PgBouncer's console, and nobody resumes",
    "guard.log, `make status`",
    12,
)
def pause_forgotten(stack: LocalStack) -> None:
    """The guard resumes before those who wait are given up."""
    console(stack, "PAUSE")
    time.sleep(12)
    assert "PgBouncer was paused" in (stack.directory / "log/guard.log").read_text()


@drill(
    "migration behind a long transaction",
    "ALTER TABLE waits for a reader, and all others for it",
    "the migration fails (`lock_timeout`)",
    8,
)
def migration_waits(stack: LocalStack) -> None:
    """As `migrate` runs it, with the owner's `lock_timeout`."""
    reader = stack.psql("BEGIN; SELECT count(*) FROM world; SELECT pg_sleep(12)")
    time.sleep(1)
    lock_timeout = stack.sql(
        "SELECT split_part(c, '=', 2) FROM pg_db_role_setting, unnest(setconfig) c "
        "WHERE setrole = 'app_owner'::regrole AND c LIKE 'lock_timeout=%'"
    )
    migration = stack.psql(
        f"SET lock_timeout = '{lock_timeout}'; ALTER TABLE world ADD COLUMN drill int"
    )
    migration.communicate(timeout=30)
    assert migration.returncode != 0
    reader.communicate(timeout=30)


@drill(
    "corrupted page",
    "six bytes of a page are overwritten, and it is read",
    "`make status`, `make verify`",
    8,
    "a backup",
)
def corrupted_page(stack: LocalStack) -> None:
    """Of a table that the pages do not read."""
    spoil_page(stack)
    time.sleep(2)
    try:
        require_told(stack, "corrupted page reads in app")
    finally:
        stack.sql("DROP TABLE spoilt")
        stack.sql("SELECT pg_stat_reset()")


def spoil_page(stack: LocalStack) -> None:
    """A page of the new table `spoilt`, which is read once."""
    stack.sql("CREATE TABLE spoilt AS SELECT generate_series(1, 1000) AS id; CHECKPOINT")
    file = stack.directory / "data" / stack.sql("SELECT pg_relation_filepath('spoilt')")
    postmaster = program(stack, "postgres")
    os.kill(postmaster.pid, signal.SIGINT)  # its buffers hold the page
    stack.wait_until(lambda: not postmaster.is_running())
    with file.open("r+b") as page:
        page.seek(5000)
        page.write(b"spoilt")
    stack.wait_until(stack.answers)
    stack.psql("SELECT count(*) FROM spoilt").communicate(timeout=30)
