"""Whether the lease of a cluster's leader is to end because its host is lost. Pure: who looks at
the host and asks etcd is in stackctl."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Leader:
    """Who leads, and the lease for as long as which it does."""

    member: str
    lease: str


@dataclass(frozen=True)
class Quiet:
    """Since when there has been no sign of a leader's host, in seconds; None while there is."""

    leader: Leader | None = None
    since: float | None = None


def looked(quiet: Quiet, leader: Leader | None, began: float, *, sign: bool) -> Quiet:
    """`quiet` after a look that began then: another leader, or a sign of this one, begins anew."""
    if leader is None or sign:
        return Quiet(leader)
    return quiet if quiet.since is not None and quiet.leader == leader else Quiet(leader, began)


def ends(
    leader: Leader,
    own: str,
    synchronous: Collection[str],
    votes: Mapping[str, str],
    members: Collection[str],
) -> bool:
    """Whether the member `own` is to end the lease: it has every acknowledged write, and all
    members but the leader have said of this very lease that there is no sign of its host.

    They are most of the members. A leader that none of them reaches has lost etcd too, gives up by
    itself, and acknowledges nothing meanwhile, for it waits for the member that ends its lease.
    """
    others = [member for member in members if member != leader.member]
    return own in synchronous and all(votes.get(member) == leader.lease for member in others)
