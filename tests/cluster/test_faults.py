"""Every fault of the catalogue, under load: no acknowledged write is lost, no two members take
writes, no read is stale."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asking import etcd_refusals
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


def test_an_etcd_that_ends_answers_no_request_with_an_error(cluster: Cluster) -> None:
    """Patroni would take that for a lost lead, also where the others of etcd are there."""
    host = cluster.members[cluster.leader()]
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(etcd_refusals, host, 6)
        time.sleep(2)
        with stopped([host], ETCD):
            assert asked.result() == ""
    cluster.wait()
