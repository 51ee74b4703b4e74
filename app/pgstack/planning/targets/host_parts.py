"""What one host runs of a stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class HostPart:
    """The servers of one host."""

    name: Literal["all", "web", "database", "witness", "balancer"]
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
WITNESS = HostPart("witness", ("etcd",))
FOLLOWER = HostPart("web", ("follower", "pgbouncer", "apache"))
"""those of a cluster"""


def of(
    database_host: str | None,
    has_web_addresses: bool,
    *,
    external: bool,
    cluster: bool,
    witness: bool,
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
        if not (witness or has_web_addresses):
            return FOLLOWER
        return WITNESS if witness else MEMBER
    return DATABASE if has_web_addresses else WEB


def watching(part: HostPart) -> HostPart:
    """With what watches whether the leader's host is lost, where it is a member of a cluster."""
    if "etcd" not in part.services:
        return part
    return replace(part, services=(*part.services, "silence"))
