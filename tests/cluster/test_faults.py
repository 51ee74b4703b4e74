"""Every fault of the catalogue, under load: no acknowledged write is lost, no two members take
writes, no read is stale."""

from __future__ import annotations

import time

import pytest
from cluster_faults import FAULTS, Fault
from cluster_hosts import Cluster
from drilling import drilled
from processes import kill_postgres

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
AFTER_SECONDS = 3
WATCHED_SECONDS = 30
"""after a partition was healed, until whoever leads is killed"""
ROUNDS = 10
HEALED = ("cut-off-from-members", "cut-off-from-all", "leader-deaf")
BY_NAME = {fault.name: fault for fault in FAULTS}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_loses_nothing(cluster: Cluster, fault: Fault) -> None:
    seen = drilled(cluster, fault, AFTER_SECONDS)
    seen.require_sound()
    assert seen.users.silence < fault.silence, seen
    if fault.harmless:
        assert seen.users.failed == 0, seen


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
