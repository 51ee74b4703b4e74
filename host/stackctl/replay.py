"""PostgreSQL replays WAL up to the target of a restore."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from . import alone, backup, postgres, system
from .files_back import say
from .safe import StackctlError
from .stack import Stack

START_SECONDS = 5
"""for a server without a unit to write its process id"""
UNREACHABLE = ("configured recovery target", "requested recovery stop point", "requested timeline")
"""what PostgreSQL says of a target that the backup and its WAL do not lead to"""


def recover(stack: Stack) -> None:
    """Start PostgreSQL and wait until it has replayed what it should. Raises StackctlError with
    what its log says."""
    log = _log(stack)
    written = system.length(log)
    say("Replaying WAL.")
    if stack.cluster:
        alone.start(stack)
    else:
        system.run("systemctl", "start", postgres.unit(stack))

    def ended() -> bool:
        if not _lives(stack):
            raise StackctlError(f"The target cannot be reached: {_why(_fatal(log, written))}")
        with suppress(StackctlError):
            return postgres.ask(stack, "SELECT pg_is_in_recovery()") == "f"
        return False

    if not system.wait(ended, backup.require(stack).time_limit, 0.5):
        raise StackctlError("The recovery takes too long.")


def _log(stack: Stack) -> Path:
    """Where PostgreSQL says why it ends."""
    if stack.cluster:
        return alone.log(stack)
    return Path(
        f"/var/log/postgresql/postgresql-{stack.versions.postgresql}-{stack.names.cluster}.log"
    )


def _lives(stack: Stack) -> bool:
    """Whether the server that replays does. One that ended, and was perhaps started again, is taken
    no further by that."""
    if stack.cluster:
        return system.wait(lambda: alone.runs(stack), START_SECONDS)
    unit = postgres.unit(stack)
    return system.active(unit) and not system.restarted(unit)


def _why(said: str) -> str:
    """With the remedy."""
    target = any(words in said for words in UNREACHABLE)
    return f"{said}\n{'Give another one.' if target else 'Once that is mended, run it again.'}"


def _fatal(log: Path, written: int) -> str:
    lines = system.since(log, written)
    # Of the server itself: what a client was refused with has its name and database there.
    return next((line for line in lines if re.search(r"\] (FATAL|PANIC): ", line)), f"see {log}")
