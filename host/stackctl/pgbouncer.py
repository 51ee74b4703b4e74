"""PgBouncer: a second instance is started and tried on a socket of its own, and takes over.

Clients find the socket through a link. Once it leads to the new instance they connect there at the
next request (pgstack.db), and the old one ends when they have left it.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path

from . import console, safe, system
from .safe import Refused
from .stack import INSTANCES, Stack, other
from .system import RUN, UNITS

ASK_SECONDS = 10
POLL_SECONDS = 0.5


def unit(instance: str) -> str:
    """Name of its unit."""
    return f"stack-pgbouncer@{instance}.service"


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was
    done."""
    wanted = system.wanted(stack.conf / "pgbouncer", UNITS / "stack-pgbouncer@.service") | _login(
        stack
    )
    old = serving(stack)
    if old and not again and wanted == safe.contents(stack.live(f"pgbouncer-{old}")):
        return "unchanged"
    begun = time.monotonic()
    new = (
        other(old)
        if old
        else next((name for name in INSTANCES if system.enabled(unit(name))), INSTANCES[0])
    )
    system.stop(unit(new))
    system.fill(stack.live(f"pgbouncer-{new}"), wanted)
    try:
        system.start(unit(new))
        _try(stack, new)
    except Refused as error:
        system.stop(unit(new))
        after = f"Instance {old} serves on with what it had." if old else "Nothing serves."
        raise Refused(f"PgBouncer does not run with what is wanted: {error}\n{after}") from None
    _lead_to(stack, new)
    if not old:
        return f"started as instance {new}"
    _drain(stack, old)
    return f"instance {new} took over from {old} in {time.monotonic() - begun:.1f} s"


def _login(stack: Stack) -> dict[str, bytes]:
    """Where PostgreSQL is on another host: what PgBouncer needs to log in there, as a sum that
    tells nothing."""
    if stack.part != "web":
        return {}
    settings = stack.pooler["settings"]
    texts = [Path(settings[name]).read_bytes() for name in ("auth_file", "server_tls_ca_file")]
    return {"login": hashlib.sha256(b"".join(texts)).hexdigest().encode()}


def serving(stack: Stack) -> str | None:
    """The instance that clients find, if it runs."""
    try:
        instance = Path(stack.paths["run_pooler"]).readlink().name.removeprefix("pooler-")
    except OSError:
        return None
    return instance if instance in INSTANCES and system.active(unit(instance)) else None


def pause(stack: Stack) -> None:
    """Hold every request back before its next transaction, once the running ones have ended.

    Gives up after half the time that a request may wait for a backend, and lets them go on.
    """
    for instance in INSTANCES:
        try:
            _console(stack, instance, "PAUSE", stack.pooler["query_wait_timeout"] / 2)
        except Refused:
            _command(stack, instance, "RESUME")


def resume(stack: Stack) -> bool:
    """Let them go on; whether an instance was held back."""
    resumed = [_command(stack, instance, "RESUME") for instance in INSTANCES]
    return any(resumed)


def reconnect(stack: Stack) -> None:
    """Have it replace each backend at the end of its transaction: they know the schema as it
    was."""
    for instance in INSTANCES:
        _command(stack, instance, "RECONNECT")


def _command(stack: Stack, instance: str, command: str) -> bool:
    """Whether it was done; not when it does not run, or has nothing to do."""
    try:
        _console(stack, instance, command)
    except Refused:
        return False
    return True


def _lead_to(stack: Stack, instance: str) -> None:
    safe.link(Path(stack.paths["run_pooler"]), f"pooler-{instance}")
    system.run("systemctl", "enable", unit(instance))
    system.run("systemctl", "disable", unit(other(instance)))


def _drain(stack: Stack, instance: str) -> None:
    """Let requests end on it: they began before the link led elsewhere, and none is longer than the
    request timeout."""
    system.wait(lambda: _clients(stack, instance) == 0, stack.web["request_timeout"], POLL_SECONDS)
    system.stop(unit(instance))


def _clients(stack: Stack, instance: str) -> int:
    try:
        rows = _console(stack, instance, "SHOW CLIENTS")
    except Refused:
        return 0  # it has ended
    return sum(row["database"] != console.LOGIN for row in rows)


def _try(stack: Stack, instance: str) -> None:
    """A query as the web goes through, and the console tells what the files say. Raises Refused."""
    wrong = trouble(stack, RUN / f"pooler-{instance}", ASK_SECONDS)
    if wrong:
        raise Refused(wrong)
    found = {row["key"]: row["value"] for row in _console(stack, instance, "SHOW CONFIG")}
    for name, planned in stack.pooler["settings"].items():
        if not _same(planned, found.get(name, "missing")):
            raise Refused(
                f"{name} = {planned} is wanted, and SHOW CONFIG says {found.get(name, 'missing')}."
            )


def trouble(stack: Stack, sockets: Path, seconds: float) -> str:
    """What keeps a query from being answered as the web sends it, within so many seconds; empty
    when it is."""
    asked = system.run(
        "psql",
        "--no-psqlrc",
        f"--host={sockets}",
        f"--port={stack.pooler['port']}",
        f"--username={stack.pooler['web_login']}",
        f"--dbname={stack.postgres['database']}",
        "--command=SELECT 1",
        account=stack.accounts["web"],
        timeout=seconds,
    )
    return system.last_words(asked) if asked.returncode else ""


def _same(left: str, right: str) -> bool:
    if left.startswith("0") and left.isdigit():  # a file mode; PgBouncer 1.18 shows it in decimal
        return right in (left, str(int(left, 8)))
    with suppress(ValueError):
        return float(left) == float(right)
    return left == right


def _console(
    stack: Stack, instance: str, command: str, seconds: float = ASK_SECONDS
) -> console.Rows:
    path = RUN / f"pooler-{instance}" / f".s.PGSQL.{stack.pooler['port']}"
    return console.ask(path, stack.accounts["pooler"], command, seconds)
