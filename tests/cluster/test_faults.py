"""Every fault of the catalogue, under load: no acknowledged write is lost, no two members take
writes, no read is stale."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asking import etcd_leader, etcd_refusals
from cluster_faults import FAULTS, Fault
from cluster_hosts import Cluster
from drilling import drilled, require
from processes import ETCD, kill_postgres, stopped

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
AFTER_SECONDS = 3
WATCHED_SECONDS = 30
"""after a partition was healed, until whoever leads is killed"""
ROUNDS = 10
HEALED = ("cut-off-from-members", "cut-off-from-all", "leader-deaf")
BY_NAME = {fault.name: fault for fault in FAULTS}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_loses_nothing(cluster: Cluster, fault: Fault) -> None:
    require(fault, drilled(cluster, fault, AFTER_SECONDS))


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_a_healed_partition_leaves_one_history(cluster: Cluster, turn: int) -> None:
    """Whoever leads after a while is killed: a leader that had taken its place back from an older
    position would show now."""

    def killed(cluster: Cluster) -> None:
        time.sleep(WATCHED_SECONDS)
        kill_postgres(cluster.members[cluster.leader()])
        cluster.wait()

    cluster.limit()
    cut = BY_NAME[HEALED[turn % len(HEALED)]]
    drilled(cluster, cut, AFTER_SECONDS, killed).require_sound()


LEFT = """
cd /var/lib/postgresql/17/main/pg_wal
cp "$(ls | grep -Ex '[0-9A-F]{24}' | head -1)" $0
pgbackrest --stanza=stack archive-push $PWD/$0
printf x | dd of=$0 bs=1 seek=16777000 conv=notrunc
touch archive_status/$0.ready"""
"""a segment that was archived by a leader which had been cut off, and that has another end here"""
SEGMENT = "0000000100000000000000FA"


def test_a_segment_of_a_timeline_that_was_left_holds_up_no_other(cluster: Cluster) -> None:
    cluster.switchover()
    cluster.wait()
    leader = cluster.members[cluster.leader()]
    leader.run("runuser", "-u", "postgres", "--", "sh", "-ec", LEFT, SEGMENT)
    cluster.require_archived()
    said = leader.run("journalctl", "--unit=stack-patroni", "--no-pager", "-o", "cat").stdout
    assert f"{SEGMENT}: its timeline was left before its end" in said


def test_an_etcd_that_ends_answers_no_request_with_an_error(cluster: Cluster) -> None:
    """Patroni would take that for a lost lead, also where the others of etcd are there. Another one
    leads by then."""
    host = cluster.members[etcd_leader(cluster.members)]
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(etcd_refusals, host, 6)
        time.sleep(2)
        with stopped([host], ETCD):
            assert asked.result() == ""
    said = host.run("journalctl", "--unit", ETCD, "--no-pager", "-o", "cat").stdout
    assert re.search(r"^etcd +db\d leads$", said, re.MULTILINE)
    cluster.wait()


def test_all_wal_is_in_the_repository_after_that(cluster: Cluster) -> None:
    cluster.require_archived()
