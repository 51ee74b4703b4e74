"""Before a member's etcd ends, another one that is well has the lead."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import cast

import pytest
from test_cluster_plan import planned

from pgstack.errors import ProbeError
from pgstack.live.probes.etcd import Peer
from stackctl import etcd, membership
from stackctl.stack import Stack

STACK = cast("Stack", planned("db1"))
NOBODY = argparse.Namespace()


@dataclass
class Members:
    """etcd of all, of which some do not answer; `leader` is a number."""

    leader: str = "1"
    away: tuple[str, ...] = ()
    takers: list[str] = field(default_factory=list)

    def leads(self) -> str:
        return "1" if self.leader == "1" else ""

    def peers(self) -> list[Peer]:
        return [Peer(str(number), f"db{number}", (), started=True) for number in (1, 2, 3)]

    def hand_over(self, number: str) -> None:
        self.takers.append(number)


@dataclass
class One:
    """One of them, asked at its address."""

    members: Members
    name: str

    def __getattr__(self, asked: str) -> object:
        if self.name in self.members.away:
            raise ProbeError(f"{self.name} does not answer")
        return (lambda: None) if asked == "health" else getattr(self.members, asked)


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    there = Members()
    names = {address: name for name, address in membership.part(STACK).members.items()}
    monkeypatch.setattr(membership, "way", lambda _, address: One(there, names[address]))
    return there


def test_the_first_that_is_well_has_it(members: Members) -> None:
    members.away = ("db2",)
    assert etcd.resign(STACK, NOBODY) == 0
    assert members.takers == ["3"]


def test_one_that_does_not_lead_hands_nothing_over(members: Members) -> None:
    members.leader = "2"
    assert etcd.resign(STACK, NOBODY) == 0
    assert members.takers == []


def test_it_ends_where_nobody_answers(members: Members) -> None:
    members.away = ("db1", "db2", "db3")
    assert etcd.resign(STACK, NOBODY) == 0
    assert members.takers == []
