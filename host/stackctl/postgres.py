"""PostgreSQL: what is wanted is parsed before it is there, and looked through before it is read."""

from __future__ import annotations

import time
from pathlib import Path

from . import apache, authority, passwords, pgbouncer, safe, system
from .safe import Refused
from .stack import Stack
from .system import UNITS

START_SECONDS = 60
CONNECT_SECONDS = 10
"""until it has let the administrator in, which a server that is stopped by a signal never does"""
CHECKPOINT_SECONDS = START_SECONDS / 2
SETTLE_SECONDS = 5
WAITS = "reloaded, and a setting waits for a restart"
"""said on a database host, where PgBouncer, which has to be paused first, is on others:
restart.yml"""
RESUME, LATER = "stack-resume", "stack-resume-later"
"""names of the unit that resumes after a stop, and of the one that does when nobody else does"""
POLL_SECONDS = 0.003
"""while requests are held back"""
WRONG_LINES = """
    SELECT format('%s line %s: %s', file_name, line_number, error) FROM (
        SELECT 'pg_hba.conf' AS file_name, line_number, error FROM pg_hba_file_rules
        UNION ALL SELECT 'pg_ident.conf', line_number, error FROM pg_ident_file_mappings
        UNION ALL SELECT sourcefile, sourceline, error FROM pg_file_settings
         WHERE error <> 'setting could not be applied'
           AND error NOT LIKE
               'parameter % cannot be changed without restarting the server') AS lines
     WHERE error IS NOT NULL"""
"""Settings that wait for a restart, and those that are gone with it, have an error of their own
there, and are tried before."""


def unit(stack: Stack) -> str:
    """Name of its unit, postgresql-common's."""
    return f"postgresql@{stack.versions['postgresql']}-main.service"


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` restart the server; returns what was
    done."""
    live = stack.live("postgres")
    wanted = system.wanted(stack.conf / "postgres", UNITS / f"{unit(stack)}.d/stack.conf")
    found = safe.contents(live)
    asked, again = again, again or wanted["unit"] != found.get("unit")
    running = system.active(unit(stack))
    renewed = stack.part == "database" and authority.apply(stack)
    if running and wanted == found and not again and not renewed:
        if _roles(stack):
            return "passwords set"
        return WAITS if stack.part == "database" and _waits(stack) else "unchanged"
    _parse(stack)
    system.fill(live, wanted)
    if not running:
        _start(stack, "start")
        _roles(stack)
        return "started"
    wrong = ask(stack, WRONG_LINES)
    if wrong:
        system.fill(live, found)
        system.require("systemctl", "reload", unit(stack))
        raise Refused(
            f"PostgreSQL would not take what is wanted: {wrong}\nIt runs on with what it had."
        )
    system.require("systemctl", "reload", unit(stack))
    _roles(stack)
    # The postmaster tells its children, and they tell what waits, a moment after the signal.
    if not again and not system.wait(lambda: _waits(stack), 1):
        return "reloaded"
    if stack.part == "database" and not asked:
        return WAITS
    _start(stack, "restart")
    return "restarted"


def pause(stack: Stack) -> None:
    """What goes before a stop of the server, whoever stops it: requests wait instead of failing.

    They wait in Apache, whose workers may all be taken meanwhile; it would close kept connections
    then. And little is left to be written at the stop. Who lets them go on is there before they
    wait; without one nobody is held back, and Refused is raised. A server that has died by itself
    comes again at once: there is nothing to hold back for.
    """
    if stack.part != "web" and not _lives(stack):
        return
    if stack.part != "database":
        if pgbouncer.serving(stack) is None:
            return
        system.run(
            "systemctl", "stop", f"{RESUME}.service"
        )  # of a start a moment ago: it is not done yet
        apache.let_go(stack)
        try:
            _arrange_resume(stack)
        except Refused:
            apache.keep()
            raise
    if stack.part != "web":
        # Bounded, as who resumes does not wait longer: what is held back after that would stay so.
        system.run(
            *_psql(stack, "CHECKPOINT"),
            account=stack.accounts["postgres"],
            timeout=CHECKPOINT_SECONDS,
        )
    if stack.part != "database":
        pgbouncer.pause(stack)


def _arrange_resume(stack: Stack) -> None:
    """Start a unit of its own that resumes. Raises Refused."""
    if stack.part == "all":
        name, options, more = RESUME, ["--no-block"], ["--after", _lock_file(stack)[0]]
    else:
        # Whoever paused from afar may not come back: they go on before their time in the queue is
        # over.
        seconds = stack.pooler["query_wait_timeout"] - 1
        name, options, more = (
            LATER,
            [f"--on-active={seconds}", "--timer-property=AccuracySec=100ms"],
            [],
        )
    words = (
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={name}",
        "--property=Restart=on-failure",
        *options,
    )
    system.require(*words, "/usr/local/sbin/stackctl", "resume", *more)


def resume(stack: Stack, after: str = "") -> None:
    """What follows its start, as soon as it takes connections, or has not come for START_SECONDS.

    `after` is the number of a server's process that is about to stop.
    """
    if stack.part == "web":
        system.run("systemctl", "stop", f"{LATER}.timer")
    system.wait(lambda: _ready(stack, after), START_SECONDS, POLL_SECONDS)
    pgbouncer.resume(stack)
    # While those that waited are answered, all workers of Apache are busy.
    time.sleep(SETTLE_SECONDS)
    apache.keep()


def _ready(stack: Stack, after: str) -> bool:
    if stack.part == "web":
        binary = f"/usr/lib/postgresql/{stack.versions['postgresql']}/bin/pg_isready"
        words = (
            binary,
            "--quiet",
            f"--host={stack.postgres['host']}",
            f"--port={stack.postgres['port']}",
        )
        return system.run(*words).returncode == 0
    process, ready = _lock_file(stack)
    return ready and process != after


def _lock_file(stack: Stack) -> tuple[str, bool]:
    """Number of the server's process, and whether it takes connections: what pg_ctl waits for too.

    The first and the eighth line of postmaster.pid, which is not there while no server runs.
    """
    try:
        lines = safe.read(Path(stack.paths["data"], "postmaster.pid")).decode().splitlines()
    except (OSError, safe.UnsafePath):
        return "", False
    whole = len(lines) > 7  # it is empty at first
    return (lines[0], lines[7].strip() == "ready") if whole else ("", False)


def _lives(stack: Stack) -> bool:
    """Whether the process that wrote postmaster.pid is there."""
    process, _ = _lock_file(stack)
    return bool(process) and Path("/proc", process).exists()


def _waits(stack: Stack) -> bool:
    return ask(stack, "SELECT count(*) FROM pg_settings WHERE pending_restart") != "0"


def _parse(stack: Stack) -> None:
    """Let the server's own parser read every setting. Raises Refused with the line."""
    binary = f"/usr/lib/postgresql/{stack.versions['postgresql']}/bin/postgres"
    words = [
        binary,
        "-C",
        "max_connections",
        "-c",
        f"config_file={stack.conf}/postgres/pgstack.conf",
    ]
    done = system.run(*words, "-D", stack.paths["data"], account=stack.accounts["postgres"])
    if done.returncode:
        text = "\n".join(done.stderr.strip().splitlines()[:3])
        raise Refused(f"PostgreSQL would not take what is wanted: {text}\nNothing was changed.")


def _start(stack: Stack, verb: str) -> None:
    system.run("systemctl", verb, unit(stack))
    words, account = _psql(stack, "SELECT 1"), stack.accounts["postgres"]
    if not system.wait(lambda: system.run(*words, account=account).returncode == 0, START_SECONDS):
        raise Refused(
            f"PostgreSQL does not answer {START_SECONDS} s after its start. See "
            f"/var/log/postgresql."
        )


def _roles(stack: Stack) -> bool:
    """Roles and rights: the script says what must hold, and changes only what does not. Whether a
    password is new."""
    script = ("--set=ON_ERROR_STOP=1", f"--file={stack.conf}/postgres/roles.sql")
    system.require(*_psql(stack, "")[:-1], *script, account=stack.accounts["postgres"])
    return stack.part == "database" and passwords.apply(stack, _psql(stack, "")[:-1])


def ask(stack: Stack, query: str) -> str:
    """What the administrator is told. Raises Refused."""
    return system.require(*_psql(stack, query), account=stack.accounts["postgres"]).strip()


def trouble(stack: Stack, seconds: float) -> str:
    """What keeps it from answering the administrator within so many seconds; empty when it does."""
    done = system.run(
        *_psql(stack, "SELECT 1"), account=stack.accounts["postgres"], timeout=seconds
    )
    return system.last_words(done) if done.returncode else ""


def resumes() -> bool:
    """Whether somebody is there who lets go on what `pause` holds back."""
    return any(
        system.busy(name) for name in (f"{RESUME}.service", f"{LATER}.timer", f"{LATER}.service")
    )


def _psql(stack: Stack, command: str) -> list[str]:
    return [
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        f"--host={stack.paths['run_postgres']}",
        f"--port={stack.postgres['port']}",
        f"--dbname=dbname=postgres connect_timeout={CONNECT_SECONDS}",
        f"--command={command}",
    ]
