"""PgBouncer: a second instance is started and tried on a socket of its own, and takes over.

Clients find the socket through a link. Once it leads to the new instance they connect there at the next request
(pgstack.db), and the old one ends when they have left it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from . import system
from .stack import INSTANCES, Stack, other
from .system import RUN, UNITS, Refused

ASK_SECONDS = 10
POLL_SECONDS = 0.5
ADMIN = "pgbouncer"
"""login of PgBouncer's own account at its console"""


def unit(instance: str) -> str:
    """Name of its unit."""
    return f"stack-pgbouncer@{instance}.service"


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was done."""
    wanted = system.wanted(stack.conf / "pgbouncer", UNITS / "stack-pgbouncer@.service")
    old = serving(stack)
    if old and not again and wanted == system.contents(stack.live(f"pgbouncer-{old}")):
        return "unchanged"
    begun = time.monotonic()
    new = other(old) if old else next((name for name in INSTANCES if system.enabled(unit(name))), INSTANCES[0])
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
    for instance in filter(lambda name: system.active(unit(name)), INSTANCES):
        limit = stack.pooler["query_wait_timeout"] / 2
        if _console(stack, instance, "PAUSE", limit).returncode:
            _console(stack, instance, "RESUME")


def resume(stack: Stack) -> None:
    """Let them go on."""
    for instance in filter(lambda name: system.active(unit(name)), INSTANCES):
        _console(stack, instance, "RESUME")


def reconnect(stack: Stack) -> None:
    """Have it replace each backend at the end of its transaction: they know the schema as it was."""
    for instance in filter(lambda name: system.active(unit(name)), INSTANCES):
        _console(stack, instance, "RECONNECT")


def _lead_to(stack: Stack, instance: str) -> None:
    system.link(Path(stack.paths["run_pooler"]), f"pooler-{instance}")
    system.run("systemctl", "enable", unit(instance))
    system.run("systemctl", "disable", unit(other(instance)))


def _drain(stack: Stack, instance: str) -> None:
    """Let requests end on it: they began before the link led elsewhere, and none is longer than the request timeout."""
    system.wait(lambda: _clients(stack, instance) == 0, stack.web["request_timeout"], POLL_SECONDS)
    system.stop(unit(instance))


def _clients(stack: Stack, instance: str) -> int:
    rows = _rows(_console(stack, instance, "SHOW CLIENTS").stdout)
    return sum(row["database"] != ADMIN for row in rows)


def _try(stack: Stack, instance: str) -> None:
    """A query as the web goes through, and the console tells what the files say. Raises Refused."""
    asked = system.run(
        *_psql(instance, stack.pooler["port"], stack.pooler["web_login"], stack.postgres["database"], "SELECT 1"),
        account=stack.accounts["web"], timeout=ASK_SECONDS,
    )  # fmt: skip
    if asked.returncode:
        raise Refused(system.last_words(asked))
    rows = _rows(_console(stack, instance, "SHOW CONFIG").stdout)
    found = {row["key"]: row["value"] for row in rows}
    for name, planned in stack.pooler["settings"].items():
        if not _same(planned, found.get(name, "missing")):
            raise Refused(f"{name} = {planned} is wanted, and SHOW CONFIG says {found.get(name, 'missing')}.")


def _same(left: str, right: str) -> bool:
    if left.startswith("0") and left.isdigit():  # a file mode; PgBouncer 1.18 shows it in decimal
        return right in (left, str(int(left, 8)))
    with suppress(ValueError):
        return float(left) == float(right)
    return left == right


def _console(stack: Stack, instance: str, command: str, seconds: float = ASK_SECONDS) -> system.Done:
    words = _psql(instance, stack.pooler["port"], ADMIN, ADMIN, command)
    return system.run(*words, account=stack.accounts["pooler"], timeout=seconds)


def _psql(instance: str, port: int, login: str, database: str, command: str) -> list[str]:
    return [
        "psql", "--no-psqlrc", "--quiet", "--no-align", "--field-separator=\t", f"--host={RUN}/pooler-{instance}",
        f"--port={port}", f"--username={login}", f"--dbname={database}", f"--command={command}",
    ]  # fmt: skip


def _rows(table: str) -> list[dict[str, str]]:
    """Rows of a table with a head and a count below."""
    lines = [line.split("\t") for line in table.splitlines() if not line.startswith("(")]
    return [dict(zip(lines[0], line, strict=False)) for line in lines[1:]] if lines else []
