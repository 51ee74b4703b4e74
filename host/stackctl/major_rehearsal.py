"""What a rehearsal of a major upgrade said: how long requests would be held back."""

from __future__ import annotations

import time
from dataclasses import asdict

from pgstack.ops import major
from pgstack.ops.major import Rehearsal

from . import safe, scratch
from .safe import StackctlError
from .stack import Stack

FRESH_SECONDS = 24 * 3600
"""that a rehearsal is good for"""
REHEARSED, LOGICAL = "rehearsed.json", "rehearsed-logical.json"
"""of the upgrade that stops the server, and of that by logical replication"""
Bounds = tuple[float, float]
"""seconds for what no rehearsal does: the end of the server that serves, and the switch"""


def forget(stack: Stack) -> None:
    """Those of before."""
    for name in (REHEARSED, LOGICAL):
        safe.remove(stack.conf / "upgrade" / name)


def keep(
    old: Stack, new: Stack, steps: scratch.Steps, notes: list[str], bounds: Bounds, name: str
) -> str:
    """Note how long it took; returns it. Raises StackctlError where requests cannot wait."""
    with scratch.connected(old, old.paths.run_postgres, old.postgres.database) as connection:
        ((size, tables),) = scratch.rows(connection, major.FACTS)
    versions = old.versions.postgresql, new.versions.postgresql
    result = Rehearsal(time.time(), *versions, steps, int(size), int(tables), *bounds)
    if refusal := result.refusal(old):
        raise StackctlError(f"{refusal} Nothing was changed.")
    scratch.dump(old, name, asdict(result))
    lines = [
        f"PostgreSQL {versions[0]} can become {versions[1]}",
        f"requests would be held back for {result.arithmetic()}",
        f"they can wait for {old.pooler.hold} s",
        *([result.held(old)] if "apache" in old.services else []),
        *notes,
    ]
    return "\n".join(f"rehearsal  {line}" for line in lines)


def require(old: Stack, new: Stack, name: str) -> None:
    """Raise StackctlError without a rehearsal of the last day that says that requests can wait."""
    known = scratch.load(old, name)
    versions = [old.versions.postgresql, new.versions.postgresql]
    if (
        known is None
        or [known["old"], known["new"]] != versions
        or time.time() - known["moment"] > FRESH_SECONDS
    ):
        raise StackctlError(
            f"no rehearsal from {versions[0]} to {versions[1]} in the last day; nothing was "
            f"changed. Run {old.names.stackctl} upgrade --rehearse"
            f"{' --logical' if name == LOGICAL else ''} first."
        )
    if refusal := Rehearsal(**known).refusal(old):
        raise StackctlError(f"{refusal} Nothing was changed.")
