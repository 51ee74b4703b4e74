"""Hosts of a cluster that are rebooted one after the other."""

from __future__ import annotations

import time

import newer_packages as newer
import pytest
from cluster_hosts import Cluster
from drilling import Seen, drilled_by
from processes import ETCD
from systemd_host import changed

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
NEWER = ("postgresql-17", "patroni", "etcd-server")
SINCE = ("systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value")


def test_a_cluster_that_is_not_whole_is_refused(cluster: Cluster) -> None:
    away = cluster.members[cluster.standbys()[0]]
    away.run("systemctl", "stop", ETCD)
    try:
        done = cluster.web.play("rolling.yml")
    finally:
        away.run("systemctl", "start", ETCD)
    said = " ".join(done.stdout.split())
    assert (done.returncode, changed(done)) == (2, 0), said[-4000:]
    assert "One host more that is away would be one too many; nothing was changed." in said
    cluster.wait()


@pytest.mark.parametrize(
    "words", [{"reboot": "no"}, {"upgrade": "yes"}], ids=["restart", "upgrade and reboot"]
)
def test_members_take_turns_without_a_failed_request(
    cluster: Cluster, words: dict[str, str]
) -> None:
    if "upgrade" in words:
        for host in cluster.members.values():
            newer.publish(host, NEWER)
    before = {name: host.run(*SINCE).stdout for name, host in cluster.members.items()}
    led = cluster.leader()

    def rolled() -> None:
        began = time.monotonic()
        with cluster.rebooting():
            done = cluster.web.play("rolling.yml", "--limit=database", **words)
        print(f"rolling.yml took {time.monotonic() - began:.0f} s")
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"

    seen: Seen = drilled_by(cluster, f"rolling {words}", rolled)
    seen.require_sound()
    assert seen.users.failed == 0, seen
    assert seen.users.silence < 8, seen
    after = {name: host.run(*SINCE).stdout for name, host in cluster.members.items()}
    rebooted = [name for name in after if after[name] != before[name]]
    assert rebooted == ([*cluster.members] if "upgrade" in words else [])
    for host in cluster.members.values():
        assert newer.installed(host, NEWER) == ("upgrade" in words)
    assert cluster.leader() != led
