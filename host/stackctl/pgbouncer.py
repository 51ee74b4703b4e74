"""PgBouncer: a second instance is started and tried on a socket of its own, and takes over.

Clients find the socket through a link. Once it leads to the new instance they connect there at the
next request (pgstack.db), and the old one ends when they have left it.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2

from pgstack.live.probes import bounded, console
from pgstack.ops import drain, postgres
from pgstack.planning import services

from . import apache, safe, system
from .safe import StackctlError
from .stack import INSTANCES, Stack, other_instance
from .system import UNITS

ASK_SECONDS = 10
POLL_SECONDS = 0.5


def unit(stack: Stack, instance: str) -> str:
    """Name of the unit of one instance, `a` or `b`."""
    return services.unit(stack, f"pgbouncer@{instance}.service")


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was
    done."""
    wanted = system.planned_files(stack.conf / "pgbouncer", UNITS / unit(stack, "")) | _login(stack)
    old = serving(stack)
    if old and not again and wanted == safe.contents(stack.live(f"pgbouncer-{old}")):
        return "unchanged"
    begun = time.monotonic()
    new = other_instance(old) if old else system.at_boot(partial(unit, stack))
    system.stop(unit(stack, new))
    system.fill(stack.live(f"pgbouncer-{new}"), wanted)
    try:
        system.start(unit(stack, new))
        _try(stack, new)
    except StackctlError as error:
        system.stop(unit(stack, new))
        raise StackctlError(
            f"PgBouncer does not run with the new configuration: {error}\n{system.what_serves(old)}"
        ) from None
    _lead_to(stack, new)
    if not old:
        return f"started as instance {new}"
    _drain(stack, old)
    return f"instance {new} took over from {old} in {time.monotonic() - begun:.1f} s"


def _login(stack: Stack) -> dict[str, bytes]:
    """Where PostgreSQL is on another host: what PgBouncer needs to log in there, as a sum that
    tells nothing."""
    if "postgres" in stack.services:
        return {}
    settings = stack.pooler.settings
    texts = [Path(settings[name]).read_bytes() for name in ("auth_file", "server_tls_ca_file")]
    return {"login": hashlib.sha256(b"".join(texts)).hexdigest().encode()}


def serving(stack: Stack) -> str | None:
    """The instance that clients find, if it runs."""
    try:
        instance = Path(stack.paths.run_pooler).readlink().name.removeprefix("pooler-")
    except OSError:
        return None
    return instance if instance in INSTANCES and system.active(unit(stack, instance)) else None


def pause(stack: Stack) -> bool:
    """Hold every request back before its next transaction, once the running ones have ended;
    whether those of the instance that serves are held.

    Gives up after half the time that a request may wait for a backend, and lets them go on.
    """
    held = set()
    for instance in INSTANCES:
        try:
            _console(stack, instance, "PAUSE", drain.patience(stack))
            held.add(instance)
        except StackctlError:
            _resume(stack, instance)
    return serving(stack) in held


def resume(stack: Stack) -> bool:
    """Let them go on; whether an instance was held back."""
    resumed = [_resume(stack, instance) for instance in INSTANCES]
    return any(resumed)


def _resume(stack: Stack, instance: str) -> bool:
    resumed = [_command(stack, instance, command) for command in drain.resumes(stack)]
    return any(resumed)


def reconnect(stack: Stack) -> None:
    """Make it replace each backend at the end of its transaction: they know the schema as it
    was."""
    for instance in INSTANCES:
        _command(stack, instance, "RECONNECT")


def _command(stack: Stack, instance: str, command: str) -> bool:
    """Whether it was done; not when it does not run, or has nothing to do."""
    try:
        _console(stack, instance, command)
    except StackctlError:
        return False
    return True


def _lead_to(stack: Stack, instance: str) -> None:
    safe.link(Path(stack.paths.run_pooler), f"pooler-{instance}")
    system.run("systemctl", "enable", unit(stack, instance))
    system.run("systemctl", "disable", unit(stack, other_instance(instance)))


def _drain(stack: Stack, instance: str) -> None:
    """Let requests end on it: they began before the link led elsewhere, and none is longer than the
    request timeout."""
    system.wait(lambda: _is_left(stack, instance), stack.web.request_timeout, POLL_SECONDS)
    system.stop(unit(stack, instance))


def _is_left(stack: Stack, instance: str) -> bool:
    """Whether no request can use it any more: it has no clients, or only idle threads of the web,
    which look where the link leads before their next request."""
    try:
        rows = _console(stack, instance, "SHOW CLIENTS")
    except StackctlError:
        return True  # it has ended
    clients = [row for row in rows if row["database"] != console.CONSOLE]
    pages = {stack.postgres.database, *(lane.database for lane in stack.lanes)}
    if any(row["database"] not in pages or row["link"] for row in clients):
        return False
    return not clients or not apache.visited(stack)


def _try(stack: Stack, instance: str) -> None:
    """A query as the web goes through, and the console tells what the files say. Raises
    StackctlError."""
    wrong = trouble(stack, stack.run / f"pooler-{instance}", ASK_SECONDS)
    if wrong:
        raise StackctlError(wrong)
    shown = {row["key"]: row["value"] for row in _console(stack, instance, "SHOW CONFIG")}
    for name, (planned, live) in console.different(stack.pooler.settings, shown).items():
        raise StackctlError(f"{name} = {planned} is wanted, and SHOW CONFIG says {live}.")


def trouble(stack: Stack, sockets: Path, seconds: float) -> str:
    """What keeps a query from being answered as the web sends it, within so many seconds; empty
    when it is."""
    place = sockets, stack.pooler.port, stack.postgres.database
    words = postgres.psql(*place, "--command=SELECT 1", user=stack.pooler.web_login)
    asked = system.run(*words, account=stack.accounts.web, timeout=seconds)
    return system.last_words(asked) if asked.returncode else ""


def _console(
    stack: Stack, instance: str, command: str, seconds: float = ASK_SECONDS
) -> console.Rows:
    """Rows of the answer, as PgBouncer's own account; requests wait between two of these commands.

    Raises StackctlError when nothing listens there, for an error, and when no answer has come for
    so many seconds.
    """
    sockets = str(stack.run / f"pooler-{instance}")
    try:
        with bounded.waits(seconds):
            # Who connects is whose the process is at that moment (unix(7), SO_PEERCRED).
            with system.identity(stack.accounts.pooler):
                connection = console.connect(sockets, stack.pooler.port, console.CONSOLE)
            with closing(connection):
                return console.rows(connection, command)
    except psycopg2.Error as error:
        raise StackctlError(f"{sockets}: {command}: {str(error).strip()}") from None
