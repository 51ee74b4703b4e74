"""What the answers mean for this plan, and what cannot be proved from outside the server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgstack.external.grants import Granted
from pgstack.planning.grants import fits
from pgstack.planning.packages import RELEASES
from pgstack.planning.plan import Plan

HOLDS, FAILS, TOLD, UNPROVEN = "holds", "fails", "told", "unproven"
MAJORS = sorted(release.postgresql for release in RELEASES.values())
"""of PostgreSQL, that this stack runs on"""
UNPROVABLE = (
    "that its roles have passwords, and which: only a superuser sees that",
    "its files, their accounts and its login rules: they are on a machine that cannot be inspected",
    "its backups, and that they can be restored: this stack makes none of an external server",
    "that its disk keeps what it says is written",
)


@dataclass(frozen=True)
class Line:
    """One finding."""

    verdict: str
    text: str


NOT_NAMED = "that it is the server that it seems to be: sslmode=require looks at no certificate"


def judge(plan: Plan, granted: Granted, *, named: bool) -> list[Line]:
    """All of them, those that were proven first; `named` when its certificate was checked."""
    return [
        version(granted),
        Line(HOLDS, f"the connection is {granted.tls}, the login SCRAM-SHA-256")
        if granted.tls
        else Line(FAILS, "the server says that this connection is not encrypted"),
        *_connections(plan, granted),
        *_superusers(granted),
        *(Line(TOLD, f"{name} = {value}") for name, value in granted.reported.items()),
        *(Line(UNPROVEN, text) for text in UNPROVABLE),
        *([] if named else [Line(UNPROVEN, NOT_NAMED)]),
    ]


def version(granted: Granted) -> Line:
    """Whether the stack runs on it."""
    major = granted.version_number // 10_000
    fits = MAJORS[0] <= major <= MAJORS[-1]
    return Line(
        HOLDS if fits else FAILS,
        f"PostgreSQL {granted.version}"
        + ("" if fits else f": {MAJORS[0]} to {MAJORS[-1]} are supported"),
    )


def _connections(plan: Plan, granted: Granted) -> Iterator[Line]:
    """A limit each, with the arithmetic."""
    grants = granted.connections(plan.roles.app)
    for fit in fits(grants, plan.pooled_connections, plan.postgres.direct_connections):
        text = f"connections: {fit.needed} needed, {fit.granted} granted ({fit.arithmetic})"
        more = "" if fit.holds else ". Lower STACK_POOL_SIZE, or have the limit raised."
        yield Line(HOLDS if fit.holds else FAILS, text + more)


def _superusers(granted: Granted) -> Iterator[Line]:
    for name, role in granted.roles.items():
        if role.superuser:
            yield Line(FAILS, f"the role {name} is a superuser there: pages could do anything")
