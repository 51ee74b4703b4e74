"""Members that are not fit to lead, or no longer: they are named, and do not lead next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cluster_hosts import Cluster
from drilling import drilled_by
from network import lost, one_way
from processes import PATRONI, stopped
from systemd_host import SystemdHost

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
WAL = "/var/lib/postgresql/17/main/pg_wal"
SMALL = f"""set -e
mv {WAL} {WAL}.aside
install -d -m 700 -o postgres -g postgres {WAL}
mount -t tmpfs -o size=256m,mode=700,uid=$(id -u postgres),gid=$(id -g postgres) tmpfs {WAL}
cp -a {WAL}.aside/. {WAL}/
rm -r {WAL}.aside"""
LARGE = f"""set -e
cp -a {WAL} {WAL}.aside
umount {WAL}
rmdir {WAL}
mv {WAL}.aside {WAL}"""
FILL = f"cat /dev/zero > {WAL}/ballast 2> /dev/null || true; sync {WAL}/ballast"
MUCH = "SELECT pg_logical_emit_message(false, 'drill', repeat('x', 1000000)) FROM generate_series(1, {})"
ALONE_SECONDS = 25
"""longer than a lease"""


@contextmanager
def small_wal(cluster: Cluster) -> Iterator[SystemdHost]:
    """The leader's WAL is on a disk of 256 MB."""
    name = cluster.standbys()[-1]
    host = cluster.members[name]
    host.run("systemctl", "stop", PATRONI)
    host.run("sh", "-c", SMALL)
    host.run("systemctl", "start", PATRONI)
    cluster.wait()
    host.run("stackctl", "switchover", "--to", name)
    cluster.wait()
    try:
        yield host
    finally:
        host.run("rm", "-f", f"{WAL}/ballast")
        cluster.wait()
        if cluster.leader() == name:
            cluster.switchover()
        host.run("systemctl", "stop", PATRONI)
        host.run("sh", "-c", LARGE)
        host.run("systemctl", "start", PATRONI)
        cluster.wait()


def test_a_leader_whose_disk_is_full_hands_over_and_is_named(cluster: Cluster) -> None:
    with small_wal(cluster) as host:
        name = cluster.leader()
        told: list[str] = []

        def filled() -> None:
            host.run("sh", "-c", FILL)
            cluster.ask(name, MUCH.format(40))
            time.sleep(15)
            leading = cluster.leading()
            assert name not in leading, leading
            told.append(host.run("stackctl", "status", check=False).stdout)
            other = cluster.members[leading[0]]
            told.append(other.run("stackctl", "status", check=False).stdout)
            host.run("rm", "-f", f"{WAL}/ballast")

        seen = drilled_by(cluster, "disk full", filled)
    print("\n".join(told))
    seen.require_sound()
    assert seen.users.silence < 20, seen
    assert f"{name} does not follow" in told[1]


def test_a_standby_that_is_far_behind_is_named_and_does_not_lead(cluster: Cluster) -> None:
    leader, (far, synchronous) = cluster.leader(), cluster.standbys()
    with lost(one_way(cluster.hosts(leader), cluster.hosts(far))):
        cluster.sql(MUCH.format(30))
        time.sleep(12)
        told = cluster.members[leader].run("stackctl", "status", check=False)
        with stopped(cluster.hosts(leader, synchronous), PATRONI):
            time.sleep(ALONE_SECONDS)
            assert cluster.leading() == []
    assert (told.returncode, f"members    {far} " in told.stdout) == (1, True), told.stdout
    cluster.wait()


def test_a_corrupted_standby_is_named(cluster: Cluster) -> None:
    cluster.sql("CREATE TABLE spoilt AS SELECT generate_series(1, 1000) AS id; CHECKPOINT")
    time.sleep(2)
    name = cluster.standbys()[0]
    host = cluster.members[name]
    try:
        file = cluster.ask(name, "CHECKPOINT; SELECT pg_relation_filepath('spoilt')")
        with stopped([host], PATRONI):
            time.sleep(3)
            path = f"/var/lib/postgresql/17/main/{file}"
            host.run("sh", "-c", f"printf spoilt | dd of={path} bs=1 seek=5000 conv=notrunc")
        cluster.wait()
        assert cluster.ask(name, "SELECT sum(id) FROM spoilt") == ""
        time.sleep(2)
        told = host.run("stackctl", "status", check=False)
        assert (told.returncode, "corrupted" in told.stdout) == (1, True), told.stdout
    finally:
        cluster.sql("DROP TABLE spoilt")
