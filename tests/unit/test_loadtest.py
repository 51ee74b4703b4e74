"""The pure parts of the load test: inputs, addresses, figures, verdict."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest import figures, inputs, strategies
from loadtest.figures import Result

from pgstack import config, hardware, sizing
from pgstack.errors import InputError, TargetError


def result(requests: int = 100, failures: int = 0) -> Result:
    return Result(requests, failures, seconds=10.0, p50=1.0, p99=2.0, generator=0.3)


def planned(**values: str) -> sizing.Plan:
    environment = {"STACK_CORES": "2", "STACK_MEMORY": "4g", "STACK_DEBIAN": "12", **values}
    chosen = config.load(environment)
    return sizing.plan(chosen, hardware.detect(chosen))


def test_load_is_sixteen_users_on_db_unless_told_otherwise() -> None:
    assert inputs.load({}) == inputs.Load("/db", 16, 10)
    assert inputs.load({"PAGE": "", "USERS": "", "SECONDS": ""}) == inputs.Load("/db", 16, 10)
    assert inputs.load({"PAGE": "/queries?n=20", "USERS": "1000", "SECONDS": "1"}) == inputs.Load(
        "/queries?n=20", 1000, 1
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("USERS", "0"), ("USERS", "1001"), ("USERS", "-1"), ("USERS", "many"), ("USERS", "1e9"), ("USERS", "٣"),
        ("SECONDS", "0"), ("SECONDS", "601"), ("SECONDS", "2.5"), ("SECONDS", "9" * 5000),
        ("PAGE", "db"), ("PAGE", "http://192.0.2.1/"), ("PAGE", "@192.0.2.1/"), ("PAGE", "/a b"),
        ("PAGE", "/a\r\nX: y"),
    ],
)  # fmt: skip
def test_load_refuses_a_bad_value_by_name(name: str, value: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}="):
        inputs.load({name: value})


def test_load_names_the_bounds() -> None:
    with pytest.raises(InputError) as caught:
        inputs.load({"USERS": "1001"})
    assert str(caught.value) == "USERS=1001: not a whole number from 1 to 1000. The default is USERS=16."


def test_address_is_the_loopback_name_of_the_planned_site() -> None:
    assert inputs.base_url(planned(STACK_PORT="8123")) == "http://127.0.0.1:8123"
    assert inputs.base_url(planned(STACK_HOSTS="localhost")) == "http://localhost:8000"
    assert inputs.base_url(planned(STACK_TLS="self-signed")) == "https://127.0.0.1:8000"


def test_address_of_a_site_without_a_loopback_name_is_refused() -> None:
    with pytest.raises(TargetError, match=r"Add 127\.0\.0\.1 to STACK_HOSTS"):
        inputs.base_url(planned(STACK_HOSTS="shop.example.com"))


@pytest.mark.parametrize("url", ["http://127.0.0.1", "https://localhost:8000", "http://127.0.0.1:8000/db"])
def test_this_host_is_loopback(url: str) -> None:
    assert inputs.is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8000", "http://127.0.0.1.example.com", "http://localhost@192.0.2.1/", "http://127.0.0.1:80@x",
        "http://localhost.example.com:8000", "ftp://127.0.0.1", "http://127a0b0c1", "",
    ],
)  # fmt: skip
def test_any_other_host_is_not_loopback(url: str) -> None:
    assert not inputs.is_loopback(url)


def test_percentile_is_in_milliseconds_to_three_digits() -> None:
    times = figures.histogram()
    for milliseconds in range(1, 101):
        times.record_value(milliseconds * 1000)
    assert figures.percentile(times, 50) == pytest.approx(50.0, rel=0.001)
    assert figures.percentile(times, 99) == pytest.approx(99.0, rel=0.001)


def test_percentile_of_nothing_is_zero() -> None:
    assert figures.percentile(figures.histogram(), 99) == 0.0


def test_rate_leaves_failures_out() -> None:
    assert result(requests=100, failures=20).rate == 8.0


def test_verdict_is_zero_only_when_all_requests_were_answered() -> None:
    assert figures.verdict(result(requests=100, failures=0)) == 0
    assert figures.verdict(result(requests=100, failures=1)) == 1
    assert figures.verdict(result(requests=0, failures=0)) == 1


def test_ratios_compare_one_rate_with_each_other() -> None:
    rates = {"reconnect": 150.0, "persistent": 2400.0, "pgbouncer": 2100.0, "broken": 0.0}
    assert figures.ratios(rates, of="pgbouncer") == {"reconnect": 14.0, "persistent": 0.875, "broken": None}


def test_strategies_come_in_the_order_given() -> None:
    assert strategies.chosen({}) == []
    assert strategies.chosen({"STRATEGIES": "pgbouncer, reconnect"}) == ["pgbouncer", "reconnect"]


def test_strategies_refuse_an_unknown_name_and_list_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        strategies.chosen({"STRATEGIES": "reconnect,pgpool"})
    known = "There are reconnect, persistent, pgbouncer."
    assert str(caught.value) == f"STRATEGIES: pgpool: no such strategy. {known}"


def test_strategies_refuse_a_name_given_twice() -> None:
    with pytest.raises(InputError, match="pgbouncer: named twice"):
        strategies.chosen({"STRATEGIES": "pgbouncer,pgbouncer"})
