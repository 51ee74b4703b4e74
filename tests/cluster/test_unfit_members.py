"""Members that are not fit to lead, or no longer: they are named, and do not lead next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from cluster_hosts import Cluster
from drilling import drilled_by
from network import lost, one_way
from processes import PATRONI, stopped
from systemd_host import SystemdHost

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
DATA = "/var/lib/postgresql/17/main"
WAL = f"{DATA}/pg_wal"
ROOM_MB = 64
SMALL = f"""set -e
mv {WAL} {WAL}.aside
install -d -m 700 -o postgres -g postgres {WAL}
size=$(($(du -sm {WAL}.aside | cut -f1) + {ROOM_MB}))m
mount -t tmpfs -o size=$size,mode=700,uid=$(id -u postgres),gid=$(id -g postgres) tmpfs {WAL}
cp -a {WAL}.aside/. {WAL}/
rm -r {WAL}.aside"""
LARGE = f"""set -e
mountpoint -q {WAL} || exit 0
cp -a {WAL} {WAL}.aside
umount -l {WAL}
rmdir {WAL}
mv {WAL}.aside {WAL}"""
FILL = f"cat /dev/zero > {WAL}/ballast 2> /dev/null || true; sync {WAL}/ballast"
MUCH = "SELECT pg_logical_emit_message(false, 'drill', repeat('x', 1000000)) FROM generate_series(1, {})"
READ_ALL = "pg_basebackup --host=/run/stack/postgres --username=stack_replication --target=blackhole --wal-method=none"
"""as docs/cluster.md has it: a copy that is kept nowhere, for which the server reads all pages"""
CHUNK_MB = 16
"""so little at a time that standbys keep up"""
FULL_SECONDS = 90
"""until a leader with no more room than its WAL takes has ended"""
ALONE_SECONDS = 25
"""longer than a lease"""
MARKED_SECONDS = 60
"""stack-watch.timer looks twice a minute"""


def until(true: Callable[[], bool], seconds: float) -> None:
    """Fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def have_lead(cluster: Cluster, name: str) -> None:
    """Only the synchronous standby may: the other one is away until it is."""
    others = {*cluster.members} - {name, cluster.leader()}
    with stopped(cluster.hosts(*others), PATRONI):
        asked = "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync'"
        until(lambda: cluster.sql(asked) == name, 60)
        time.sleep(5)  # until Patroni has said so
        cluster.members[name].run("stackctl", "switchover", "--to", name)
    cluster.wait()


@contextmanager
def small_wal(cluster: Cluster) -> Iterator[SystemdHost]:
    """The leader's WAL is on a disk with little room."""
    name = cluster.standbys()[-1]
    host = cluster.members[name]
    host.run("systemctl", "stop", PATRONI)
    host.run("sh", "-c", SMALL)
    host.run("systemctl", "start", PATRONI)
    cluster.wait()
    have_lead(cluster, name)
    try:
        yield host
    finally:
        host.run("rm", "-f", f"{WAL}/ballast")
        cluster.wait()
        if cluster.leader() == name:
            cluster.switchover()
            cluster.wait()
        host.run("systemctl", "stop", PATRONI)
        host.run("sh", "-c", LARGE)
        host.run("systemctl", "start", PATRONI)
        cluster.wait()


def test_a_leader_whose_disk_is_full_is_named_and_loses_nothing(cluster: Cluster) -> None:
    """Its PostgreSQL ends again and again, each time for want of another segment; no other member
    hands over to it."""
    with small_wal(cluster) as host:
        name, told, led = cluster.leader(), [], []

        def filled() -> None:
            host.run("sh", "-c", FILL)
            until(lambda: cluster.ask(name, MUCH.format(CHUNK_MB)) == "", FULL_SECONDS)
            for _ in range(4):
                told.append(host.run("stackctl", "status", check=False).stdout)
                led.append(cluster.leading())
                cluster.ask(name, MUCH.format(CHUNK_MB))
                time.sleep(3)
            told.append(cluster.web.run("stackctl", "status", check=False).stdout)
            host.run("rm", "-f", f"{WAL}/ballast")

        seen = drilled_by(cluster, "disk full", filled)
    print(name, led, *told, sep="\n")
    seen.require_sound()
    assert seen.users.silence < 20, seen
    assert "kB are free for its WAL" in told[0], told[0]
    others = [leading != [name] for leading in led if leading]
    assert others == sorted(others), "it does not lead again"


def test_a_standby_that_is_far_behind_is_named_and_does_not_lead(cluster: Cluster) -> None:
    leader, (synchronous, far) = cluster.leader(), cluster.standbys()
    with lost(one_way(cluster.hosts(leader), cluster.hosts(far))):
        cluster.sql(MUCH.format(30))
        time.sleep(3)
        told = cluster.members[synchronous].run("stackctl", "status", check=False)
        with stopped(cluster.hosts(leader, synchronous), PATRONI):
            time.sleep(ALONE_SECONDS)
            assert cluster.leading() == []
    print(told.stdout)
    assert (told.returncode, f"members    {far} " in told.stdout) == (1, True), told.stdout
    cluster.wait()


@contextmanager
def spoilt(cluster: Cluster, name: str) -> Iterator[None]:
    """Bytes of a page of a standby are others, and all pages were read. Nothing is left to be
    written into that page, which would mend it."""
    host = cluster.members[name]
    cluster.sql("CREATE TABLE spoilt AS SELECT generate_series(1, 1000) AS id")
    try:
        for statement in ("VACUUM (FREEZE, ANALYZE) spoilt", "CHECKPOINT"):
            cluster.sql(statement)
        time.sleep(2)
        file = cluster.ask(name, "SELECT pg_relation_filepath('spoilt')")
        host.run("systemctl", "stop", PATRONI)
        host.run("sh", "-c", f"printf spoilt | dd of={DATA}/{file} bs=1 seek=5000 conv=notrunc")
        host.run("systemctl", "start", PATRONI)
        cluster.wait()
        done = host.run("runuser", "-u", "postgres", "--", *READ_ALL.split(), check=False)
        assert "checksum" in done.stderr, done.stderr
        yield
    finally:
        cluster.sql("DROP TABLE spoilt")


def test_a_corrupted_standby_is_named_and_does_not_lead(cluster: Cluster) -> None:
    leader, (name, other) = cluster.leader(), cluster.standbys()
    host, named = cluster.members[name], "may not lead"

    def status(member: str) -> str:
        return cluster.members[member].run("stackctl", "status", check=False).stdout

    with spoilt(cluster, name):
        until(lambda: named in status(leader), MARKED_SECONDS)
        told = status(other)
        assert f"members    {name} follows, {named}" in told.replace(", synchronous", ""), told
        done = host.run("stackctl", "switchover", "--to", name, check=False)
        assert (done.returncode, "no standby that is up to date" in done.stderr) == (2, True)
        cluster.wait_for_reads(lambda there: there != name)
        seen = drilled_by(cluster, "spoilt", lambda: replaced_leader(cluster, leader, other))
        seen.require_sound()
        with stopped(cluster.hosts(leader, other), PATRONI):
            time.sleep(ALONE_SECONDS)
            assert cluster.leading() == []
        cluster.wait()
    print(told, host.run("stackctl", "copy").stdout)
    cluster.wait()
    until(lambda: named not in status(leader), 20)


def replaced_leader(cluster: Cluster, leader: str, other: str) -> None:
    """The leader goes, and the one that is fit leads."""
    with stopped(cluster.hosts(leader), PATRONI):
        until(lambda: cluster.leading() == [other], 30)
