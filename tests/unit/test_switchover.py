"""A switchover that Patroni gives up is tried once more, and then an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from test_cluster_plan import planned

from pgstack.live.probes import members as probes
from pgstack.live.probes.members import Member
from pgstack.live.probes.patroni import Answer
from pgstack.planning.cluster import Cluster
from stackctl import patroni, switchover
from stackctl.safe import StackctlError
from stackctl.stack import Stack

STACK = cast("Stack", planned("db1"))
LEADER = {"name": "db1", "role": "leader", "state": "running"}
STANDBY = {"name": "db2", "role": "sync_standby", "state": "streaming"}


@dataclass
class Members:
    """Patroni of all members; each wish is done, or forgotten where `ready` says so."""

    ready: list[bool]
    leader: str = "db1"
    clock: float = 0.0
    wishes: list[dict[str, Any]] = field(default_factory=list)
    failsafe: float = 0.0
    """seconds for which standbys remember a leader that went on without etcd"""

    def ask(self, part: Cluster) -> list[Member]:
        return [Member("db1"), Member("db2", failsafe=self.clock < self.failsafe)]

    def get(self, address: str, path: str) -> Answer:
        if path == "cluster":
            return Answer(200, {"members": [LEADER, STANDBY]})
        return Answer(200 if address == patroni.part(STACK).members[self.leader] else 503, {})

    def send(self, _: str, path: str, wish: dict[str, Any]) -> Answer:
        assert path == "switchover"
        self.wishes.append(wish)
        if self.ready[len(self.wishes) - 1]:
            self.leader = wish["candidate"]
        return Answer(202, {})

    def sleep(self, seconds: float) -> None:
        self.clock += seconds


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    there = Members([])
    monkeypatch.setattr(patroni, "api", lambda _: there)
    clock = SimpleNamespace(monotonic=lambda: there.clock, sleep=there.sleep)
    monkeypatch.setattr(switchover, "time", clock)
    monkeypatch.setattr(probes, "ask", there.ask)
    return there


def test_a_candidate_that_was_not_ready_is_asked_again(members: Members) -> None:
    members.ready = [False, True]
    assert switchover.run(STACK, "").startswith("db2 leads after db1")
    assert [wish["candidate"] for wish in members.wishes] == ["db2", "db2"]


def test_it_is_an_error_when_patroni_gives_up_twice(members: Members) -> None:
    members.ready = [False, False]
    with pytest.raises(StackctlError, match="db1 leads on: Patroni found db2 not ready"):
        switchover.run(STACK, "")


def test_it_waits_until_standbys_have_forgotten_who_led_without_etcd(members: Members) -> None:
    members.ready, members.failsafe = [True], 12.0
    assert switchover.run(STACK, "").startswith("db2 leads after db1")
    assert members.clock >= 12


def test_it_is_an_error_while_etcd_does_not_answer(members: Members) -> None:
    members.failsafe = 3600.0
    with pytest.raises(StackctlError, match=r"failsafe mode of db2.*nothing was done"):
        switchover.run(STACK, "")
    assert members.wishes == []
