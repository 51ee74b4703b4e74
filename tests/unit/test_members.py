"""What a host of a cluster says of its members, and what of that is not as planned."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from test_cluster_plan import planned

from pgstack.live.probes import members
from pgstack.live.probes.members import MB, Member
from pgstack.live.probes.patroni import Answer

NOW = 1_000_000.0
FIRST = Member("db1", state="running", leads=True, timeline=3, position=100 * MB, etcd_seen=NOW)
SECOND = replace(FIRST, name="db2", leads=False, streams=True, synchronous=True)
THIRD = replace(SECOND, name="db3", synchronous=False)


@pytest.fixture(autouse=True)
def _moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


def faults(*there: Member) -> list[str]:
    part = planned("web1").cluster
    assert part is not None
    return [*members.faults(part, there)]


def test_a_cluster_as_planned_has_no_fault() -> None:
    assert faults(FIRST, SECOND, THIRD) == []
    assert members.told([FIRST, SECOND, THIRD]) == (
        "db1 leads, timeline 3; db2 follows, synchronous; db3 follows"
    )


@pytest.mark.parametrize(
    ("third", "said"),
    [
        (Member("db3"), "db3 does not answer"),
        (
            replace(THIRD, streams=False, state="starting"),
            "db3 does not follow: PostgreSQL is starting",
        ),
        (replace(THIRD, timeline=2), "db3 is on timeline 2, not 3"),
        (replace(THIRD, position=90 * MB), "db3 is 10 MB behind, too far to lead next"),
        (replace(THIRD, failsafe=True), "db3 goes on without etcd (failsafe mode)"),
        (
            replace(THIRD, etcd_seen=NOW - 3600),
            "db3 has not heard from etcd for 3600 s",
        ),
        (
            replace(THIRD, unfit=True),
            "db3 follows, may not lead: its disk gave back a wrong page",
        ),
    ],
)
def test_a_fault_of_one_member_is_named(third: Member, said: str) -> None:
    assert faults(FIRST, SECOND, third) == [said]


def test_a_member_that_copies_the_leader_is_no_fault() -> None:
    third = Member("db3", state="creating replica", etcd_seen=NOW)
    assert faults(FIRST, SECOND, third) == []


def test_none_and_two_leaders_are_told_apart() -> None:
    silent = [Member(name) for name in ("db1", "db2", "db3")]
    assert faults(*silent)[0] == "no member leads"
    assert faults(FIRST, replace(SECOND, leads=True), THIRD)[0] == "db1 and db2 lead"


def test_without_a_synchronous_standby_writes_are_on_one_host() -> None:
    assert faults(FIRST, replace(SECOND, synchronous=False), THIRD) == [
        "no standby is synchronous: what is acknowledged is on one host"
    ]


def test_a_standby_is_read_from_what_its_patroni_says() -> None:
    said = {
        "state": "running",
        "role": "replica",
        "xlog": {"received_location": 7, "replayed_location": 5},
        "sync_standby": True,
        "timeline": 3,
        "replication_state": "streaming",
        "dcs_last_seen": 11,
        "tags": {"nofailover": True},
    }
    assert members._read("db2", Answer(503, said)) == Member(
        "db2",
        state="running",
        streams=True,
        synchronous=True,
        timeline=3,
        position=7,
        replayed=5,
        etcd_seen=11.0,
        unfit=True,
    )


def test_a_miss_of_etcd_that_is_over_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    part = planned("web1").cluster
    assert part is not None
    missed = replace(SECOND, failsafe=True)
    looks = iter([[FIRST, missed, THIRD], [FIRST, missed, THIRD], [FIRST, SECOND, THIRD]])
    slept: list[float] = []
    monkeypatch.setattr(members, "ask", lambda _: next(looks))
    monkeypatch.setattr(time, "sleep", slept.append)
    assert members.settled(part) == [FIRST, SECOND, THIRD]
    assert slept == [members.PAUSE_SECONDS] * 2


def test_a_fault_that_outlasts_a_lease_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    part = planned("web1").cluster
    assert part is not None
    clock = [0.0]
    there = [FIRST, replace(SECOND, failsafe=True), THIRD]
    monkeypatch.setattr(members, "ask", lambda _: there)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    assert members.settled(part) == there
    assert clock[0] >= part.ttl + part.loop_wait
