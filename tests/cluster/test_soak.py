"""Faults by chance for some minutes (`make drill CLUSTER=1`), then the books are checked."""

from __future__ import annotations

import os
import random
import time

import pytest
from cluster_faults import FAULTS
from cluster_hosts import Cluster
from drilling import Seen, drilled, require

MINUTES = float(os.environ.get("DRILL_MINUTES", "5"))
SEED = os.environ.get("DRILL_SEED", str(random.randrange(10**6)))
AFTER_SECONDS = 2
pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800 + 120 * MINUTES)]


def test_faults_by_chance_lose_nothing(cluster: Cluster) -> None:
    chance = random.Random(SEED)
    print(f"DRILL_SEED={SEED} repeats the order of the faults")
    deadline = time.monotonic() + 60 * MINUTES
    drills: list[Seen] = []
    wrong: list[str] = []
    while time.monotonic() < deadline:
        cluster.limit()
        cluster.require_healthy()
        fault, began = chance.choice(FAULTS), time.monotonic()
        drills.append(drilled(cluster, fault, AFTER_SECONDS))
        try:
            require(fault, drills[-1])
        except AssertionError as error:
            wrong.append(f"{fault.name}: {error}")
            cluster.show_elections(time.monotonic() - began)
    users = [seen.users for seen in drills]
    print(
        f"{len(drills)} faults: {sum(seen.failed for seen in users)} of "
        f"{sum(seen.sent for seen in users)} requests failed, the longest gap "
        f"{max(seen.silence for seen in users):.1f} s; of {sum(seen.acknowledged for seen in users)} "
        f"acknowledged transfers {sum(seen.lost for seen in users)} lost, of "
        f"{sum(seen.writes for seen in drills)} other writes {sum(len(seen.lost) for seen in drills)}"
    )
    cluster.require_archived()
    assert not wrong, "\n".join(wrong)
