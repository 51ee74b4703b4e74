"""Reads from the standbys of a cluster, while these fall behind, go away and come back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from cluster_hosts import MEMBERS, Cluster
from docker_engine import docker
from processes import WATCH
from reading import readers
from systemd_host import INPUTS

from drills import load

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]

SETTLE_SECONDS = 4
"""of load before and after a fault"""
LAG_SECONDS = 3
READING = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'replica'"
    " AND state_change > clock_timestamp() - interval '3 s'"
)
"""backends that answered a read a moment ago"""


@pytest.fixture(autouse=True)
def settled(cluster: Cluster) -> Iterator[None]:
    """Reads lead to a standby before each test, and after it again."""
    cluster.wait()
    cluster.wait_for_reads(lambda there: there != cluster.followed())
    yield
    for member in MEMBERS:
        replays(cluster, member, "CONT")


def replays(cluster: Cluster, member: str, signal: str) -> None:
    """Stop or continue what replays, and what would have it go on. Patroni ends a
    pg_wal_replay_pause() at its next look."""
    host = cluster.members[member]
    host.run("systemctl", "stop" if signal == "STOP" else "start", WATCH)
    host.run("sh", "-c", f"pkill -{signal} -f '^postgres: .*startup' || true")


@contextmanager
def both(cluster: Cluster, writes_fail: bool = False) -> Iterator[None]:
    """Under a load of both aliases, of which nothing may fail, nor an acknowledged write be
    lost."""
    with load.users(cluster, host=INPUTS["hosts"][0]) as users, readers(cluster.url) as reading:
        time.sleep(SETTLE_SECONDS)
        began = time.monotonic()
        yield
        time.sleep(SETTLE_SECONDS)
    figures = users.figures(began)
    print(figures)
    assert reading.failures == [], reading
    assert figures.lost == 0, figures
    assert figures.failed == 0 or writes_fail, figures


def standbys(cluster: Cluster) -> list[str]:
    leader = cluster.leader()
    return [name for name in MEMBERS if name != leader]


def test_the_primary_has_none_of_the_reads(cluster: Cluster) -> None:
    with both(cluster):
        time.sleep(SETTLE_SECONDS)
        reading = {name: int(cluster.ask(name, READING)) for name in MEMBERS}
    there = cluster.read_from()
    assert [name for name, backends in reading.items() if backends] == [there], reading


def test_a_standby_that_replays_nothing_is_left_for_another(cluster: Cluster) -> None:
    first = cluster.read_from()
    with both(cluster):
        replays(cluster, first, "STOP")
        took = cluster.wait_for_reads(lambda there: there != first)
        cluster.wait_for_reads(lambda there: there in standbys(cluster))
    print(f"reads left {first} after {took:.1f} s")
    assert cluster.read_from() != first
    assert LAG_SECONDS - 1 < took < LAG_SECONDS + 5


def test_a_killed_standby_fails_no_read(cluster: Cluster) -> None:
    first = cluster.read_from()
    kill = "kill -9 $(head -1 /var/lib/postgresql/17/main/postmaster.pid)"
    with both(cluster):
        cluster.members[first].run("sh", "-c", kill)
        time.sleep(SETTLE_SECONDS)


def test_without_standbys_reads_lead_to_the_primary(cluster: Cluster) -> None:
    away = standbys(cluster)
    with both(cluster):
        for name in away:
            cluster.members[name].run("systemctl", "stop", "stack-patroni")
        took = cluster.wait_for_reads(lambda there: there == cluster.followed())
        print(f"reads lead to the primary after {took:.1f} s")
        time.sleep(SETTLE_SECONDS)
        assert int(cluster.ask(cluster.followed(), READING)) > 0
        for name in away:
            cluster.members[name].run("systemctl", "start", "stack-patroni")
        back = cluster.wait_for_reads(lambda there: there in away)
        print(f"and to a standby {back:.1f} s after both were started")


def test_who_has_written_reads_that_while_standbys_lag(cluster: Cluster) -> None:
    """Both replay nothing, and for as long as they may be behind strangers see what was."""
    key = uuid.uuid4().hex
    order = {"source": 1, "target": 2, "amount": 1}
    shown = f"{cluster.url}/ledger/?done={key}"
    with requests.Session() as visitor, requests.Session() as stranger:
        for session in (visitor, stranger):
            session.trust_env = False
            session.headers["Host"] = INPUTS["hosts"][0]
        for name in standbys(cluster):
            replays(cluster, name, "STOP")
        written = visitor.post(
            f"{cluster.url}/ledger/transfers", json=order, headers={"Idempotency-Key": key}
        )
        assert written.status_code == 201
        seen = [key in session.get(shown).text for session in (visitor, stranger)]
        there = cluster.read_from()
        assert there in standbys(cluster), "soon enough"
        assert seen == [True, False]
        cluster.wait_for_reads(lambda there: there == cluster.followed())
        assert key in stranger.get(shown).text


def test_a_switchover_fails_neither_reads_nor_writes(cluster: Cluster) -> None:
    before = cluster.leader()
    with both(cluster):
        cluster.switchover()
        cluster.wait_for_reads(lambda there: there != cluster.followed())
    assert cluster.leader() != before


def test_a_lost_host_of_a_standby_fails_no_read(cluster: Cluster) -> None:
    """It says nothing any more, so reads are led to it for as long as it may be behind. Writes wait
    for it where it is the synchronous one, until Patroni names the other."""
    first = cluster.read_from()
    try:
        with both(cluster, writes_fail=True):
            cluster.lose(first)
            took = cluster.wait_for_reads(lambda there: there != first)
            print(f"reads left {first} after {took:.1f} s")
            time.sleep(SETTLE_SECONDS)
    finally:
        docker("start", cluster.members[first].container)
    cluster.wait()
