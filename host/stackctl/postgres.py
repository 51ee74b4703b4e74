"""PostgreSQL: what is wanted is parsed before it is there, and looked through before it is read."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from pgstack.ops import lines
from pgstack.ops import postgres as server
from pgstack.planning import services
from pgstack.planning.services import postgres_program

from . import apache, authority, passwords, pgbouncer, safe, system, workers
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

START_SECONDS = 60
CONNECT_SECONDS = 10
"""until it has let the administrator in, which a server that is stopped by a signal never does"""
CHECKPOINT_SECONDS = START_SECONDS / 2
SETTLE_SECONDS, LONGEST_SETTLE_SECONDS, SETTLE_POLL_SECONDS = 5, 60, 1
WAITS = "reloaded, and a setting waits for a restart"
"""said on a database host, where PgBouncer, which has to be paused first, is on others:
restart.yml"""
RESUME = "resume"
"""name of the unit that resumes after a stop"""
POLL_SECONDS = 0.003
"""while requests are held back"""
ASK_SECONDS = 0.05
"""the same where each look is a connection to another host"""


def unit(stack: Stack) -> str:
    """Name of the unit that postgresql-common has for the site's cluster."""
    return services.postgres_unit(stack)


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` restart the server; returns what was
    done."""
    live = stack.live("postgres")
    wanted = system.planned_files(stack.conf / "postgres", UNITS / f"{unit(stack)}.d/stack.conf")
    in_force = safe.contents(live)
    asked, again = again, again or wanted["unit"] != in_force.get("unit")
    running = system.active(unit(stack))
    renewed = "apache" not in stack.services and authority.apply(stack)
    if running and wanted == in_force and not again and not renewed:
        if roles(stack):
            return "passwords set"
        return WAITS if "apache" not in stack.services and _waits(stack) else "unchanged"
    _parse(stack)
    system.fill(live, wanted)
    if not running:
        start(stack)
        roles(stack)
        return "started"
    wrong = ask(stack, lines.WRONG)
    if wrong:
        system.fill(live, in_force)
        system.require("systemctl", "reload", unit(stack))
        raise StackctlError(
            f"PostgreSQL refuses the new configuration: {wrong}\n"
            "It keeps running with its previous one."
        )
    system.require("systemctl", "reload", unit(stack))
    roles(stack)
    # The postmaster tells its children, and they tell what waits, a moment after the signal.
    if not again and not system.wait(lambda: _waits(stack), 1):
        return "reloaded"
    if "apache" not in stack.services and not asked:
        return WAITS
    with workers.stopped(stack):
        start(stack, "restart")
    return "restarted"


def pause(stack: Stack) -> None:
    """Runs before every stop of the server: requests wait instead of failing.

    They wait in Apache, whose workers may all be taken meanwhile; it would drop kept-alive
    connections then. A checkpoint leaves little to write at the stop. The unit that resumes is
    started before requests wait; without it none are held back, and StackctlError is raised. A
    server that has died by itself is restarted at once: there is nothing to hold back for.
    """
    if upgrade_mark(stack).exists() or ("postgres" in stack.services and not _lives(stack)):
        return
    if "apache" in stack.services:
        if pgbouncer.serving(stack) is None:
            return
        system.run(
            "systemctl", "stop", services.unit(stack, f"{RESUME}.service")
        )  # of a start a moment ago: it is not done yet
        apache.disable_keepalive(stack)
        try:
            _arrange_resume(stack)
        except StackctlError:
            apache.enable_keepalive(stack)
            raise
    if "postgres" in stack.services:
        # Bounded, as who resumes does not wait longer: what is held back after that would stay so.
        system.run(
            *_psql(stack, "--command=CHECKPOINT"),
            account=stack.accounts.postgres,
            timeout=CHECKPOINT_SECONDS,
        )
    if "apache" in stack.services:
        pgbouncer.pause(stack)


def upgrade_mark(stack: Stack) -> Path:
    """Is there while one major version gives way to another: that holds requests back itself, and
    longer than a restart would."""
    return stack.conf / "upgrade" / "hold"


def _arrange_resume(stack: Stack) -> None:
    """Start a unit of its own that resumes. Raises StackctlError."""
    if stack.apart:
        # Whoever restarts the server may not come back: requests go on before their time in the
        # queue is over.
        more = ["--hold", str(stack.pooler.hold)]
    else:
        more = ["--after", str(_process(stack)[0])]
    words = (
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={services.unit(stack, RESUME)}",
        "--property=Restart=on-failure",
        "--no-block",
    )
    system.require(*words, f"/usr/local/sbin/{stack.names.stackctl}", "resume", *more)


def resume(stack: Stack, after: int = 0, hold: int = 0) -> None:
    """What follows its start, as soon as it takes connections, or has not come for START_SECONDS.

    `after` is the number of a server's process that is about to stop. A server on another host is
    given `hold` seconds to stop answering and to answer again; without them, it has been restarted.
    """
    if hold:
        _wait_for_restart(stack, hold)
    else:
        if stack.apart:
            system.stop(services.unit(stack, f"{RESUME}.service"))
        system.wait(lambda: _ready(stack, after), START_SECONDS, POLL_SECONDS)
    pgbouncer.resume(stack)
    settle(stack)


def settle(stack: Stack) -> None:
    """Let clients keep their connections open again once most of those that waited are answered:
    while all workers of Apache are busy it closes connections that were kept open, whatever is on
    its way there."""
    time.sleep(SETTLE_SECONDS)
    few = stack.apache.max_request_workers / 2
    system.wait(lambda: apache.visitors(stack) < few, LONGEST_SETTLE_SECONDS, SETTLE_POLL_SECONDS)
    apache.enable_keepalive(stack)


def _wait_for_restart(stack: Stack, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    if system.wait(lambda: not _ready(stack), seconds, ASK_SECONDS):
        system.wait(lambda: _ready(stack), deadline - time.monotonic(), ASK_SECONDS)


def _ready(stack: Stack, after: int = 0) -> bool:
    if "postgres" not in stack.services:
        words = (
            postgres_program(stack, "pg_isready"),
            "--quiet",
            f"--host={stack.postgres.host}",
            f"--port={stack.postgres.port}",
        )
        return system.run(*words).returncode == 0
    process, ready = _process(stack)
    return ready and process != after


def _process(stack: Stack) -> tuple[int, bool]:
    """Number of the server's process, and whether it takes connections."""
    try:
        return server.started(safe.read(Path(stack.paths.data, server.LOCK_FILE)).decode())
    except (OSError, safe.UnsafePath):
        return 0, False


def _lives(stack: Stack) -> bool:
    """Whether the process that wrote postmaster.pid is there."""
    process, _ = _process(stack)
    return process != 0 and psutil.pid_exists(process)


def _waits(stack: Stack) -> bool:
    return ask(stack, "SELECT count(*) FROM pg_settings WHERE pending_restart") != "0"


def _parse(stack: Stack) -> None:
    """Let the server's own parser read every setting. Raises StackctlError with the line."""
    done = system.run(*server.parse(stack, stack.paths.conf), account=stack.accounts.postgres)
    if done.returncode:
        text = server.complaint(done.stderr)
        raise StackctlError(
            f"PostgreSQL refuses the new configuration: {text}\nNothing was changed."
        )


def start(stack: Stack, verb: str = "start") -> None:
    """Start it, and wait until it answers. Raises StackctlError."""
    system.run("systemctl", verb, unit(stack))
    if not system.wait(lambda: answers(stack), START_SECONDS):
        raise StackctlError(
            f"PostgreSQL does not answer {START_SECONDS} s after its start. See "
            f"/var/log/postgresql."
        )


def answers(stack: Stack) -> bool:
    """Whether it answers the administrator."""
    words = _psql(stack, "--command=SELECT 1")
    return system.run(*words, account=stack.accounts.postgres).returncode == 0


def roles(stack: Stack) -> bool:
    """Roles and rights: the script says what must hold, and changes only what does not. Whether a
    password is new."""
    script = f"--file={stack.conf}/postgres/roles.sql"
    system.require(*_psql(stack, script), account=stack.accounts.postgres)
    return "apache" not in stack.services and passwords.apply(stack, _psql(stack))


def ask(stack: Stack, query: str) -> str:
    """The answer to a query as the administrator. Raises StackctlError."""
    words = _psql(stack, f"--command={query}")
    return system.require(*words, account=stack.accounts.postgres).strip()


def trouble(stack: Stack, seconds: float) -> str:
    """What keeps it from answering the administrator within so many seconds; empty when it does."""
    words, account = _psql(stack, "--command=SELECT 1"), stack.accounts.postgres
    done = system.run(*words, account=account, timeout=seconds)
    return system.last_words(done) if done.returncode else ""


def resumes(stack: Stack) -> bool:
    """Whether somebody is there who lets go on what `pause` holds back."""
    if stack.cluster and system.active(services.unit(stack, "follower.service")):
        return True
    return system.busy(services.unit(stack, f"{RESUME}.service"))


def _psql(stack: Stack, *what: str) -> list[str]:
    """Words of the administrator."""
    database = f"dbname=postgres connect_timeout={CONNECT_SECONDS}"
    place = stack.paths.run_postgres, stack.postgres.port, database
    return server.psql(*place, *what, user=stack.roles.admin)
