"""Which database a cluster has, of those that major upgrades have made: one note in etcd, which
changes in one step with Patroni's own of it. From then on Patroni refuses a member with another."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pgstack.live.probes.etcd import Etcd, Value
from pgstack.planning.cluster import Cluster

from . import membership
from .safe import StackctlError

UPGRADE = "upgrade"
"""has the leader's lock from the moment when another database is in force until a member may lead
with it: no member's name"""
FORGOTTEN = ("sync", "status", "history", "failover", "failsafe")
"""Patroni's notes of the database of before: who had all of it, how far it was, its timelines"""


@dataclass(frozen=True)
class Epoch:
    """One of them."""

    number: int
    """0 for the first; each upgrade, and each way back, is one more"""
    version: int
    """major version of PostgreSQL"""
    system: str
    """its system identifier"""
    end: str
    """where the WAL of the one before ended: who has less of that cannot bring it back"""
    moment: float
    """when it began, in seconds since 1970"""


def current(part: Cluster) -> Epoch | None:
    """As most members agree; None before the first upgrade. Raises ProbeError."""
    note = _etcd(part).value(_key(part))
    return Epoch(**json.loads(note.text)) if note else None


def keep_lock(part: Cluster) -> Value:
    """Have this member, whose Patroni has just ended, go on having the leader's lock for all of its
    time; returns it. Nobody else leads meanwhile. Raises StackctlError."""
    lock = _etcd(part).value(_patroni(part, "leader"))
    if lock is None or lock.text != part.member:
        raise StackctlError("this member does not lead any more.")
    _etcd(part).keep(lock.lease)
    return lock


def change(part: Cluster, lock: Value, before: str, wanted: Epoch) -> None:
    """Have another database in force, if this member still has the lock and the one of `before` is;
    nobody leads until `end_lock`, or for a lease. Raises StackctlError, and nothing was changed,
    unless etcd did not answer: then `current` says."""
    etcd = _etcd(part)
    lease = etcd.grant(part.ttl)
    done = etcd.exchange(
        {_patroni(part, "leader"): lock, _patroni(part, "initialize"): Value(before)},
        {
            _key(part): Value(json.dumps(asdict(wanted))),
            _patroni(part, "initialize"): Value(wanted.system),
            _patroni(part, "leader"): Value(UPGRADE, lease),
        },
        [_patroni(part, name) for name in FORGOTTEN],
    )
    if not done:
        raise StackctlError("another member leads meanwhile, so the version of before serves.")


def end_lock(part: Cluster) -> None:
    """Let a member lead that has what is in force. Raises ProbeError."""
    etcd = _etcd(part)
    lock = etcd.value(_patroni(part, "leader"))
    if lock and lock.text == UPGRADE:
        etcd.revoke(lock.lease)


def _etcd(part: Cluster) -> Etcd:
    return membership.way(part, part.address)


def _key(part: Cluster) -> str:
    return f"/stack/{part.scope}/epoch"


def _patroni(part: Cluster, name: str) -> str:
    return f"/service/{part.scope}/{name}"
