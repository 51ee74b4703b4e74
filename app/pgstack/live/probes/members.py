"""The members of a cluster, as the Patroni of each says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes.patroni import NOBODY, Answer, Api
from pgstack.planning import layout
from pgstack.planning.cluster import Cluster

ANSWER_SECONDS = 1.0
"""so that one that is silent keeps nobody waiting who asks for two seconds"""
PAUSE_SECONDS = 1.0
STREAMS = "streaming"
"""Patroni's word for a standby that the leader sends what it writes, as the next"""
COPIES = "creating replica"
"""for a member that copies the leader"""
MB = 1024**2


@dataclass(frozen=True)
class Member:
    """One, at one moment. Where nobody answers all is empty."""

    name: str
    state: str = ""
    """PostgreSQL's, in Patroni's words"""
    leads: bool = False
    streams: bool = False
    synchronous: bool = False
    timeline: int = 0
    position: int = 0
    """bytes of WAL that it has written, or received"""
    replayed: int = 0
    """bytes of it that a standby has replayed, and so can be read there"""
    etcd_seen: float = 0
    """when its Patroni last heard from etcd, in seconds since 1970"""
    failsafe: bool = False
    """whether it leads on without etcd, since all members agree"""
    unfit: bool = False
    """whether it may not lead, since its disk gave back a wrong page"""

    @property
    def copied(self) -> bool:
        """Whether it copies the leader, which takes as long as its data are large."""
        return self.state == COPIES

    @property
    def serves(self) -> bool:
        """Whether it leads, or would have what a leader has."""
        return self.leads or self.streams


def ask(part: Cluster) -> list[Member]:
    """All, asked at the same time."""
    api = Api(part.leader_port, layout.AUTHORITY, ANSWER_SECONDS)
    with ThreadPoolExecutor(len(part.databases)) as threads:
        return list(threads.map(lambda name: _member(api, name, part), part.databases))


def settled(part: Cluster) -> list[Member]:
    """All, as soon as none has a fault, or as they are when a single miss of etcd would be over: a
    Patroni that did not reach it once says so for as long as a lease lasts."""
    deadline = time.monotonic() + part.ttl + part.loop_wait
    while any(faults(part, there := ask(part))) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return there


def _member(api: Api, name: str, part: Cluster) -> Member:
    try:
        answer = api.get(part.members[name], "primary")
    except ProbeError:
        return Member(name)
    return Member(name) if answer.status == NOBODY else _read(name, answer)


def _read(name: str, answer: Answer) -> Member:
    said = answer.body
    wal = said.get("xlog") or {}
    return Member(
        name,
        state=str(said.get("state", "")),
        leads=answer.good,
        streams=said.get("replication_state") == STREAMS,
        synchronous=bool(said.get("sync_standby") or said.get("quorum_standby")),
        timeline=int(said.get("timeline") or 0),
        position=int(wal.get("location") or wal.get("received_location") or 0),
        replayed=int(wal.get("replayed_location") or 0),
        etcd_seen=float(said.get("dcs_last_seen") or 0),
        failsafe=bool(said.get("failsafe_mode_is_active")),
        unfit=unfit(said),
    )


def unfit(said: Mapping[str, Any]) -> bool:
    """Whether a member may not lead, from what a Patroni says of it."""
    return bool((said.get("tags") or {}).get("nofailover"))


def leader(members: Sequence[Member]) -> Member | None:
    """The one that leads; None where none or more than one says so."""
    leading = [member for member in members if member.leads]
    return leading[0] if len(leading) == 1 else None


def lag(members: Sequence[Member], member: Member, *, replayed: bool = False) -> int | None:
    """Bytes of WAL that the leader has and a standby has not received, or `replayed`; None where
    that is not known."""
    first = leader(members)
    if first is None or not member.state or member.leads:
        return None
    return max(0, first.position - (member.replayed if replayed else member.position))


def told(members: Sequence[Member]) -> str:
    """As a line for people."""
    return "; ".join(f"{member.name} {_role(members, member)}" for member in members)


def _role(members: Sequence[Member], member: Member) -> str:
    behind = lag(members, member) or 0
    if member.leads:
        return f"leads, timeline {member.timeline}"
    if not member.state:
        return "does not answer"
    if member.copied:
        return "copies the leader"
    if not member.streams:
        return f"does not follow: PostgreSQL is {member.state}"
    far = f", {behind // MB} MB behind" if behind >= MB else ""
    unfit = ", may not lead: its disk gave back a wrong page" if member.unfit else ""
    return f"follows{', synchronous' if member.synchronous else ''}{far}{unfit}"


def faults(part: Cluster, members: Sequence[Member]) -> Iterator[str]:
    """What is not as planned."""
    first = leader(members)
    if first is None:
        leading = [member.name for member in members if member.leads]
        yield f"{' and '.join(leading)} lead" if leading else "no member leads"
    for member in members:
        if member.copied:
            continue
        if not member.serves or (member.unfit and not member.leads):
            yield f"{member.name} {_role(members, member)}"
        elif first and member.timeline != first.timeline:
            yield f"{member.name} is on timeline {member.timeline}, not {first.timeline}"
        elif (behind := lag(members, member) or 0) > part.most_lag:
            yield f"{member.name} is {behind // MB} MB behind, too far to lead next"
    if first and not any(member.synchronous or member.copied for member in members):
        yield "no standby is synchronous: what is acknowledged is on one host"
    yield from _without_etcd(part, members)


def _without_etcd(part: Cluster, members: Sequence[Member]) -> Iterator[str]:
    for member in members:
        age = time.time() - member.etcd_seen
        if member.failsafe:
            yield f"{member.name} goes on without etcd (failsafe mode)"
        elif member.state and age > part.ttl:
            yield f"{member.name} has not heard from etcd for {age:.0f} s"
