"""Connections that a server grants which is not the stack's, and whether what is needed fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgstack.planning.part import Part

UNLIMITED = -1
"""of a role or a database without a limit, as PostgreSQL has it"""


class Grants(Part):
    """What the server said of itself."""

    major: int
    """version of PostgreSQL"""
    max_connections: int
    reserved: int
    """for superusers, and for pg_use_reserved_connections"""
    database_limit: int
    role_limit: int
    """of the role that pages work as"""
    others: int
    """connections that roles of others held when it was asked"""
    others_here: int
    """those of them in this database"""

    @property
    def limits(self) -> tuple[int, ...]:
        """What the server's administrator has set."""
        return (
            self.major,
            self.max_connections,
            self.reserved,
            self.database_limit,
            self.role_limit,
        )


@dataclass(frozen=True)
class Fit:
    """What is needed of one limit, and what that grants."""

    name: str
    needed: int
    granted: int
    arithmetic: str

    @property
    def holds(self) -> bool:
        """Whether as many connections are granted as are needed."""
        return self.needed <= self.granted


def fits(grants: Grants, pooled: int, direct: int) -> Iterator[Fit]:
    """Each limit, for so many connections of PgBouncer and past it."""
    yield Fit(
        "connections that the server grants",
        pooled + direct,
        grants.max_connections - grants.reserved - grants.others,
        f"{grants.max_connections} max_connections - {grants.reserved} reserved - "
        f"{grants.others} in use by others",
    )
    if grants.database_limit != UNLIMITED:
        yield Fit(
            "connections that the database grants",
            pooled + direct,
            grants.database_limit - grants.others_here,
            f"{grants.database_limit} of the database - {grants.others_here} in use by others",
        )
    if grants.role_limit != UNLIMITED:
        yield Fit(
            "connections that the role grants", pooled, grants.role_limit, "limit of the role"
        )
