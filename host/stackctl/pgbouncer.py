"""PgBouncer: a second instance is started and tried on a socket of its own, and takes over.

Clients find the socket through a link. Once it leads to the new instance they connect there at the
next request (pgstack.db), and the old one ends when they have left it.

An instance may be several processes, each a unit with a port of its own. They make their sockets in
one directory, so that one link leads to all of them.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import closing, suppress
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
    """Name of the unit of one instance, `a` or `b`; where it has several, of the first."""
    return units(stack, instance)[0]


def units(stack: Stack, instance: str) -> list[str]:
    """Names of all of them."""
    names = [process.name for process in stack.pooler.processes]
    return [services.unit(stack, f"{name}@{instance}.service") for name in names]


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was
    done."""
    wanted = system.planned_files(stack.conf / "pgbouncer", UNITS / unit(stack, ""))
    wanted |= {name: safe.read(UNITS / name) for name in units(stack, "")[1:]} | _login(stack)
    old = serving(stack)
    if old and not again and wanted == safe.contents(stack.live(f"pgbouncer-{old}")):
        return "unchanged"
    begun = time.monotonic()
    new = other_instance(old) if old else system.at_boot(partial(unit, stack))
    _stop(stack, new)
    system.fill(stack.live(f"pgbouncer-{new}"), wanted)
    try:
        for each in units(stack, new):
            system.start(each)
        _try(stack, new)
    except StackctlError as error:
        _stop(stack, new)
        raise StackctlError(
            f"PgBouncer does not run with the new configuration: {error}\n{system.what_serves(old)}"
        ) from None
    _keep_ports(stack, new)
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
        if _all_do(stack, instance, "PAUSE", drain.patience(stack)):
            held.add(instance)
        else:
            _resume(stack, instance)
    return serving(stack) in held


def resume(stack: Stack) -> bool:
    """Let them go on; whether an instance was held back."""
    resumed = [_resume(stack, instance) for instance in INSTANCES]
    return any(resumed)


def _resume(stack: Stack, instance: str) -> bool:
    resumed = [
        _command(stack, instance, process.port, command)
        for process in stack.pooler.processes
        for command in drain.resumes(stack)
    ]
    return any(resumed)


def reconnect(stack: Stack) -> None:
    """Make it replace each backend at the end of its transaction: they know the schema as it
    was."""
    for instance in INSTANCES:
        _all_do(stack, instance, "RECONNECT")


def _all_do(stack: Stack, instance: str, command: str, seconds: float = ASK_SECONDS) -> bool:
    """Whether all processes of an instance did it within so many seconds."""
    deadline = time.monotonic() + seconds
    done = [
        _command(stack, instance, process.port, command, max(0.0, deadline - time.monotonic()))
        for process in stack.pooler.processes
    ]
    return all(done)


def _command(
    stack: Stack, instance: str, port: int, command: str, seconds: float = ASK_SECONDS
) -> bool:
    """Whether it was done; not when it does not run, or has nothing to do."""
    try:
        _console(stack, instance, port, command, seconds)
    except StackctlError:
        return False
    return True


def _stop(stack: Stack, instance: str) -> None:
    """All processes of an instance, also those that the plan has no more."""
    further = services.unit(stack, f"pgbouncer-*@{instance}.service")
    shown = system.run("systemctl", "list-units", "--all", "--plain", "--no-legend", further)
    known = [line.split()[0] for line in shown.stdout.splitlines() if line]
    for each in dict.fromkeys([*reversed(units(stack, instance)), *known]):
        system.stop(each)


def _keep_ports(stack: Stack, instance: str) -> None:
    """Where the one that serves has more processes, lead their clients to the first: web processes
    are bound to a port until they are replaced."""
    planned = {process.port for process in stack.pooler.processes}
    first, own = f".s.PGSQL.{stack.pooler.port}", stack.run / f"pooler-{instance}"
    for port in set(console.ports(Path(stack.paths.run_pooler))) - planned:
        words = ("ln", "-sfT", first, str(own / f".s.PGSQL.{port}"))
        system.run(*words, account=stack.accounts.pooler)


def _lead_to(stack: Stack, instance: str) -> None:
    safe.link(Path(stack.paths.run_pooler), f"pooler-{instance}")
    system.run("systemctl", "enable", *units(stack, instance))
    system.run("systemctl", "disable", *units(stack, other_instance(instance)))


def _drain(stack: Stack, instance: str) -> None:
    """Let requests end on it: they began before the link led elsewhere, and none is longer than the
    request timeout."""
    system.wait(lambda: _is_left(stack, instance), stack.web.request_timeout, POLL_SECONDS)
    _stop(stack, instance)


def _is_left(stack: Stack, instance: str) -> bool:
    """Whether no request can use it any more: it has no clients, or only idle threads of the web,
    which look where the link leads before their next request."""
    rows: console.Rows = []
    for port in console.ports(stack.run / f"pooler-{instance}"):
        with suppress(StackctlError):  # it has ended
            rows += _console(stack, instance, port, "SHOW CLIENTS")
    clients = [row for row in rows if row["database"] != console.CONSOLE]
    if any(row["database"] not in stack.page_databases or row["link"] for row in clients):
        return False
    return not clients or not apache.visitors(stack)


def _try(stack: Stack, instance: str) -> None:
    """A query as the web goes through each process, and the console tells what the files say.
    Raises StackctlError."""
    wrong = trouble(stack, stack.run / f"pooler-{instance}", ASK_SECONDS)
    if wrong:
        raise StackctlError(wrong)
    for process in stack.pooler.processes:
        rows = _console(stack, instance, process.port, "SHOW CONFIG")
        shown = {row["key"]: row["value"] for row in rows}
        for name, (planned, live) in console.different(process.settings, shown).items():
            raise StackctlError(f"{name} = {planned} is wanted, and SHOW CONFIG says {live}.")


def trouble(stack: Stack, sockets: Path, seconds: float) -> str:
    """What keeps a query from being answered as the web sends it to each process, within so many
    seconds; empty when it is."""
    several = bool(stack.pooler.further)
    return "; ".join(
        f"{process.name}: {text}" if several else text
        for process in stack.pooler.processes
        if (text := _trouble(stack, sockets, process.port, seconds))
    )


def _trouble(stack: Stack, sockets: Path, port: int, seconds: float) -> str:
    words = postgres.psql(
        sockets, port, stack.postgres.database, "--command=SELECT 1", user=stack.pooler.web_login
    )
    asked = system.run(*words, account=stack.accounts.web, timeout=seconds)
    return system.last_words(asked) if asked.returncode else ""


def _console(
    stack: Stack, instance: str, port: int, command: str, seconds: float = ASK_SECONDS
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
                connection = console.connect(sockets, port, console.CONSOLE)
            with closing(connection):
                return console.rows(connection, command)
    except psycopg2.Error as error:
        raise StackctlError(f"{sockets}: {port}: {command}: {str(error).strip()}") from None
