"""The members of a cluster, as each host of it sees them, and whom PgBouncer is led to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pgstack.live.probes import members
from pgstack.metrics.model import Sample, gauge
from pgstack.planning.cluster import Cluster

ANSWER_SECONDS = 1.5
SERVES = gauge(
    "cluster_member_serves", "1 while a member leads, or streams from who leads.", "member"
)
LEADS = gauge("cluster_member_leads", "1 for the member that takes writes.", "member")
SYNCHRONOUS = gauge(
    "cluster_member_synchronous", "1 for one that has every acknowledged write.", "member"
)
TIMELINE = gauge("cluster_member_timeline", "Its timeline.", "member")
LAG = gauge("cluster_member_lag_bytes", "WAL that a standby has not received yet.", "member")
REPLAY = gauge(
    "cluster_member_replay_lag_bytes", "WAL that a standby has not replayed yet.", "member"
)
ETCD = gauge(
    "cluster_member_etcd_timestamp_seconds", "When its Patroni last heard from etcd.", "member"
)
FAILSAFE = gauge("cluster_member_failsafe", "1 while it leads on without etcd.", "member")
LED = gauge("cluster_pooler_led", "1 for the member that PgBouncer is led to.", "member")
READ = gauge("cluster_reads_led", "1 for the member that the alias `replica` leads to.", "member")


def collect(part: Cluster) -> Iterator[Sample]:
    """Samples of all members, also of those that do not answer."""
    there = members.ask(part)
    for member in there:
        yield from SERVES.of(member.serves, member.name)
        yield from LEADS.of(member.leads, member.name)
        yield from SYNCHRONOUS.of(member.synchronous, member.name)
        yield from LAG.of(members.lag(there, member), member.name)
        yield from REPLAY.of(members.lag(there, member, replayed=True), member.name)
        yield from FAILSAFE.of(member.failsafe, member.name)
        if member.state:
            yield from TIMELINE.of(member.timeline or None, member.name)
            yield from ETCD.of(member.etcd_seen or None, member.name)
    if not part.member:
        led = followed(part)
        for name in part.databases:
            yield from LED.of(name == led, name)
            if read := read_from(part):
                yield from READ.of(name == read, name)


def followed(part: Cluster) -> str:
    """The member that PgBouncer is led to; empty before the first."""
    return _text(part, "led")


def read_from(part: Cluster) -> str:
    """The member that reads are led to; empty before the first, and without `replica`."""
    return _text(part, "read")


def _text(part: Cluster, link: str) -> str:
    with suppress(OSError):
        return str(Path(part.follower.run, link).readlink()).split()[0]
    return ""


def etcd(part: Cluster) -> list[Sample]:
    """Whether this host's etcd listens, and that of the witness, of which nobody else would tell
    when its host is lost. Raises OSError when one does not."""
    for name in {part.member, part.witness} & {*part.members}:
        place = part.members[name], part.client_port
        socket.create_connection(place, ANSWER_SECONDS).close()
    return []
