"""What one host runs of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class HostPart:
    """The servers of one host."""

    name: Literal["all", "web", "database", "balancer"]
    services: tuple[str, ...]

    @property
    def apart(self) -> bool:
        """Whether the other servers are on other hosts."""
        return self.name != ALL.name


ALL = HostPart("all", ("postgres", "pgbouncer", "apache"))
WEB = HostPart("web", ("pgbouncer", "apache"))
DATABASE = HostPart("database", ("postgres",))
BALANCER = HostPart("balancer", ("haproxy", "keepalived"))


MEMBER = HostPart("database", ("postgres", "etcd", "patroni"))
FOLLOWER = HostPart("web", ("follower", "pgbouncer", "apache"))
"""those of a cluster"""
OF_SILENCE = HostPart("database", (*MEMBER.services, "silence"))
"""a member that watches whether the leader's host is lost"""


def of(
    database_host: str | None,
    has_web_addresses: bool,
    *,
    external: bool,
    cluster: bool,
    silence: bool,
    balancer: bool,
) -> HostPart:
    """Only the database host is told where web hosts come from; an `external` database is on no
    host of the stack."""
    if balancer:
        return BALANCER
    if external:
        return WEB
    if database_host is None:
        return ALL
    if cluster:
        member = OF_SILENCE if silence else MEMBER
        return member if has_web_addresses else FOLLOWER
    return DATABASE if has_web_addresses else WEB
