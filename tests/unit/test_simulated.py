"""The simulation of a site, beside what must come of it."""

from __future__ import annotations

import pytest
from loadtest.studies import simulated
from loadtest.studies.simulated import Site, Times

TIMES = Times(apache=150, python=530, pooler=30, database=75)
ONE_CORE = 1e6 / (150 + 530 + 30 + 75)
"""requests per second of a core"""


def site(cores: int, poolers: int = 1, **more: object) -> Site:
    values = {"hosts": 1, "cores": cores, "processes": cores, "threads": 4}
    return Site(**{**values, "pools": (8,) * poolers, **more})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "REQUESTS", 6000)
    monkeypatch.setattr(simulated, "WARM", 600)


@pytest.mark.parametrize("cores", [1, 4])
def test_without_a_queue_elsewhere_cores_are_what_there_is_too_few_of(cores: int) -> None:
    result = simulated.closed(site(cores), TIMES)
    assert result.rate == pytest.approx(cores * ONE_CORE, rel=0.03)
    assert result.bottleneck == "cores"
    assert result.cores > 0.98


def test_one_pooler_answers_no_more_than_a_core_lets_it() -> None:
    result = simulated.closed(site(64), TIMES)
    assert result.rate == pytest.approx(1e6 / 30, rel=0.02)
    assert (result.bottleneck, result.cores < 0.6) == ("PgBouncer", True)


def test_with_enough_of_them_cores_are_the_limit_again() -> None:
    result = simulated.closed(site(64, poolers=6), TIMES)
    assert result.rate == pytest.approx(64 * ONE_CORE, rel=0.03)
    assert result.pooler == pytest.approx(64 * ONE_CORE * 30 / 1e6 / 6, rel=0.1)


def test_a_pool_that_is_too_small_is_seen() -> None:
    slow = Times(apache=10, python=10, pooler=1, database=1000)
    result = simulated.closed(site(8, pools=(2,)), slow)
    assert result.rate == pytest.approx(2000, rel=0.05)
    assert result.bottleneck == "the pool"


def test_the_database_of_many_hosts_is_full_at_last() -> None:
    times = Times(apache=100, python=100, pooler=1, database=100)
    result = simulated.closed(site(2, hosts=4, apart=True), times)
    assert result.rate == pytest.approx(20_000, rel=0.05)
    assert result.bottleneck == "the database's cores"


def test_below_its_capacity_it_answers_what_comes() -> None:
    result = simulated.opened(site(4), TIMES, 2500)
    assert result.rate == pytest.approx(2500, rel=0.05)
    assert result.bottleneck == "none"
    assert 0.8 < result.p99 < 10
