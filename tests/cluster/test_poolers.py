"""Two PgBouncers on the web host of a cluster: both work, are held back, led and replaced together,
and fail alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from cluster_hosts import Cluster
from hardening.asked import wait
from pooler_units import PORTS, THREADS, clients, led_to, main, transactions, units
from processes import kill_postgres
from reading import readers

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]

AFTER_SECONDS = 6
"""of load once a change is over"""
ALIASES = ("app", "app_replica")


@pytest.fixture(autouse=True)
def settled(cluster: Cluster) -> Iterator[None]:
    """Reads lead to a standby before each test."""
    cluster.limit()
    cluster.wait()
    cluster.wait_for_reads(lambda there: there != cluster.followed())
    yield
    cluster.wait()


def failed(cluster: Cluster, change: Callable[[], object]) -> int:
    """Requests that failed under a load of both aliases; no acknowledged write may be lost."""
    with readers(cluster.url) as reading:
        figures = cluster.drill(change, AFTER_SECONDS)
    print(f"load {os.getloadavg()[0]:.0f}, reasons {figures.reasons} and {reading.failures}")
    assert figures.lost == 0, figures
    return figures.failed + len(reading.failures)


def require_led(cluster: Cluster) -> None:
    """Each has the leader for writes, and one standby for reads."""
    cluster.wait()
    cluster.wait_for_reads(lambda there: there != cluster.followed())
    for database, member in zip(ALIASES, (cluster.leader(), cluster.read_from()), strict=True):
        assert led_to(cluster.web, database) == [cluster.members[member].address()] * len(PORTS)


def site(cluster: Cluster, poolers: int) -> None:
    """Give the web host so many."""
    cluster.more["poolers"] = poolers
    cluster.write_inventory()
    cluster.web.played("site.yml")


def test_both_work_and_verify_is_green(cluster: Cluster) -> None:
    before = [transactions(cluster.web, alias) for alias in ALIASES]
    assert failed(cluster, lambda: None) == 0
    after = [transactions(cluster.web, alias) for alias in ALIASES]
    print(f"transactions of {ALIASES} at {PORTS}: {before}, then {after}")
    for early, late in zip(before, after, strict=True):
        assert all(new > old for old, new in zip(early, late, strict=True))
    cluster.web.run("stack-manage", "stack_verify")
    assert "2 processes" in cluster.web.run("stackctl", "status").stdout
    require_led(cluster)


def test_a_switchover_holds_both_back_and_leads_both(cluster: Cluster) -> None:
    before = cluster.leader()
    assert failed(cluster, cluster.switchover) == 0
    assert cluster.leader() != before
    require_led(cluster)


def test_a_killed_postgresql_on_the_leader_loses_no_write(cluster: Cluster) -> None:
    leader = cluster.members[cluster.leader()]
    failures = failed(cluster, lambda: kill_postgres(leader))
    assert failures <= len(PORTS) * THREADS, "what was in flight"
    require_led(cluster)


def test_both_are_replaced_without_a_failed_request(cluster: Cluster) -> None:
    before = {main(cluster.web, unit) for unit in units(cluster.web)}
    assert failed(cluster, lambda: cluster.web.run("stackctl", "restart", "pgbouncer")) == 0
    after = {main(cluster.web, unit) for unit in units(cluster.web)}
    assert (len(after), after & before) == (len(PORTS), set())
    require_led(cluster)


@pytest.mark.parametrize("number", range(len(PORTS)))
def test_of_one_that_is_killed_fails_what_was_in_flight(cluster: Cluster, number: int) -> None:
    """The other keeps its connections, and the one that was started again is led, too."""
    unit, other = units(cluster.web)[::-1][number], PORTS[1 - number]
    before, kept = main(cluster.web, unit), clients(cluster.web, other)
    assert failed(cluster, lambda: cluster.web.run("kill", "-KILL", before)) <= THREADS
    assert wait(lambda: main(cluster.web, unit) not in ("0", before), 20)
    assert kept
    assert clients(cluster.web, other) >= kept
    assert clients(cluster.web, PORTS[number])
    require_led(cluster)


def test_one_is_enough_and_two_again_without_a_failed_request(cluster: Cluster) -> None:
    try:
        assert failed(cluster, lambda: site(cluster, 1)) == 0
        assert len(units(cluster.web)) == 1
    finally:
        failures = failed(cluster, lambda: site(cluster, len(PORTS)))
    assert failures == 0
    assert len(units(cluster.web)) == len(PORTS)
    require_led(cluster)
