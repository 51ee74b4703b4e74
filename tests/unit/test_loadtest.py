"""The pure parts of `make loadtest`: inputs, addresses, hosts that may be loaded, verdict,
notes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest import inputs, run
from loadtest.inputs import Target
from loadtest.lab import histograms
from loadtest.lab.generator import Outcome
from loadtest.lab.model import Load

from pgstack.errors import InputError, TargetError
from pgstack.planning import config, hardware, sizing


def outcome(**fields: Any) -> Outcome:
    empty = histograms.encode(histograms.empty())
    plain = {
        "load": Load(kind="closed", page="/db", users=16, seconds=10),
        "warm_seconds": 2.0,
        "seconds": 10.0,
        "requests": 100,
        "failures": 0,
        "unanswered": 0,
        "reasons": {},
        "latency": empty,
        "corrected": None,
        "rates": (),
        "generator_cpu": 0.3,
        "sent": 120,
    }
    return Outcome.model_validate({**plain, **fields})


def closed(page: str, users: int, seconds: float) -> Load:
    return Load(kind="closed", page=page, users=users, seconds=seconds)


def planned(**values: str) -> sizing.Plan:
    environment = {"STACK_CORES": "2", "STACK_MEMORY": "4g", "STACK_DEBIAN": "12", **values}
    chosen = config.load(environment)
    return sizing.plan(chosen, hardware.detect(chosen))


def test_load_is_sixteen_users_on_db_unless_told_otherwise() -> None:
    assert inputs.load({}) == closed("/db", 16, 10)
    assert inputs.load({"PAGE": "", "USERS": "", "SECONDS": ""}) == closed("/db", 16, 10)
    asked = {"PAGE": "/queries?n=20", "USERS": "1000", "SECONDS": "1"}
    assert inputs.load(asked) == closed("/queries?n=20", 1000, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("USERS", "0"),
        ("USERS", "1001"),
        ("USERS", "-1"),
        ("USERS", "many"),
        ("USERS", "1e9"),
        ("USERS", "٣"),
        ("SECONDS", "0"),
        ("SECONDS", "601"),
        ("SECONDS", "2.5"),
        ("SECONDS", "9" * 5000),
        ("PAGE", "db"),
        ("PAGE", "http://192.0.2.1/"),
        ("PAGE", "@192.0.2.1/"),
        ("PAGE", "/a b"),
        ("PAGE", "/a\r\nX: y"),
    ],
)
def test_load_refuses_a_bad_value_by_name(name: str, value: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}="):
        inputs.load({name: value})


def test_load_names_the_bounds() -> None:
    with pytest.raises(InputError) as caught:
        inputs.load({"USERS": "1001"})
    assert (
        str(caught.value)
        == "USERS=1001: not a whole number from 1 to 1000. The default is USERS=16."
    )


def test_address_is_the_loopback_name_of_the_planned_site() -> None:
    assert inputs.base_url(planned(STACK_PORT="8123")) == "http://127.0.0.1:8123"
    assert inputs.base_url(planned(STACK_HOSTS="localhost")) == "http://localhost:8000"
    assert inputs.base_url(planned(STACK_TLS="self-signed")) == "https://127.0.0.1:8000"


def test_address_of_a_site_without_a_loopback_name_is_refused() -> None:
    with pytest.raises(TargetError, match=r"Add 127\.0\.0\.1 to STACK_HOSTS"):
        inputs.base_url(planned(STACK_HOSTS="shop.example.com"))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "https://localhost:8000", "http://127.0.0.1:8000/db"]
)
def test_this_host_is_loopback(url: str) -> None:
    assert inputs.is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8000",
        "http://127.0.0.1.example.com",
        "http://localhost@192.0.2.1/",
        "http://127.0.0.1:80@x",
        "http://localhost.example.com:8000",
        "ftp://127.0.0.1",
        "http://127a0b0c1",
        "",
    ],
)
def test_any_other_host_is_not_loopback(url: str) -> None:
    assert not inputs.is_loopback(url)


def named(url: str, *addresses: str, **values: str) -> Target | None:
    return inputs.named_target({"HOST": url, **values}, lambda name: addresses)


def test_without_host_no_host_is_named() -> None:
    assert inputs.named_target({}) is None
    assert inputs.named_target({"HOST": ""}) is None


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.5", "::1", "fd00::5", "fe80::1%eth0"],
)
def test_named_host_with_a_private_address_needs_a_maximum_rate_only(address: str) -> None:
    assert named("https://my.host/", address, MAX_RATE="100") == Target("https://my.host", 100)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "224.0.0.1"],
)
def test_named_host_with_a_public_address_is_refused_unless_it_is_the_users_own(
    address: str,
) -> None:
    with pytest.raises(InputError, match=r"is a public address.*I_OWN_THIS_HOST=yes"):
        named("https://my.host", address, MAX_RATE="100")
    with pytest.raises(InputError, match="is a public address"):
        named("https://my.host", "127.0.0.1", address, MAX_RATE="100", I_OWN_THIS_HOST="true")
    assert named("https://my.host", address, MAX_RATE="100", I_OWN_THIS_HOST="yes") == Target(
        "https://my.host", 100
    )


def test_named_host_without_a_maximum_rate_is_refused() -> None:
    with pytest.raises(InputError, match=r"HOST=http://my\.host: no maximum rate.*MAX_RATE=100"):
        named("http://my.host", "127.0.0.1")
    with pytest.raises(InputError, match=r"^MAX_RATE=0: not a whole number from 1 to 100000"):
        named("http://my.host", "127.0.0.1", MAX_RATE="0")


@pytest.mark.parametrize(
    "url",
    [
        "my.host",
        "ftp://my.host",
        "http://my.host/db",
        "http://user@my.host",
        "http://a b",
        "http://",
        "http://h?x",
    ],
)
def test_host_is_scheme_name_and_port(url: str) -> None:
    with pytest.raises(InputError, match=r"^HOST="):
        named(url, "127.0.0.1", MAX_RATE="100")


def test_host_is_resolved_by_its_name_without_port_and_brackets() -> None:
    asked: list[str] = []

    def resolve(name: str) -> tuple[str, ...]:
        asked.append(name)
        return ("127.0.0.1",)

    for url in ("https://my.host:8443", "http://[::1]:8000"):
        inputs.named_target({"HOST": url, "MAX_RATE": "5"}, resolve)
    assert asked == ["my.host", "::1"]


def test_host_that_nobody_knows_is_an_error_with_its_name() -> None:
    with pytest.raises(TargetError, match=r"HOST: no-such-host\.invalid:"):
        inputs.named_target({"HOST": "http://no-such-host.invalid", "MAX_RATE": "5"})


def test_verdict_is_zero_only_when_all_requests_were_answered() -> None:
    assert run.verdict(outcome()) == 0
    assert run.verdict(outcome(failures=1)) == 1
    assert run.verdict(outcome(unanswered=1)) == 1
    assert run.verdict(outcome(requests=0)) == 1


def test_busy_generator_makes_a_run_void_as_a_capacity() -> None:
    assert run.notes(outcome(generator_cpu=0.70)) == []
    (note,) = run.notes(outcome(generator_cpu=0.71))
    assert note.startswith("void as a capacity: the generator used 71% of its core, more than 70%.")


def test_notes_name_the_most_frequent_failures_first() -> None:
    reasons = {"status 500": 2, "status 503": 40, "answer not whole": 1, "unexpected body": 7}
    assert run.notes(outcome(failures=50, reasons=reasons)) == [
        "failed: 40 × status 503",
        "failed: 7 × unexpected body",
        "failed: 2 × status 500",
    ]
