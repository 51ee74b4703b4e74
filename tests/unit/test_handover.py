"""The address of the balancers is given to the other one, or stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_drained import GROUPS, INPUTS, MACHINE

from pgstack.live.probes.haproxy import Server
from pgstack.targets.host import inventory
from stackctl import handover, haproxy, keepalived, system
from stackctl.safe import StackctlError
from stackctl.stack import Stack

ADDRESS, OTHER = "10.0.0.30", "10.0.0.32"
KEEPALIVED = "stack-keepalived.service"


class Host:
    """A balancer with some connections, and another that takes the address or does not."""

    def __init__(self, *accepting: str, here: bool = True, connections: int = 0) -> None:
        self.accepting, self.here, self.connections = accepting, here, connections
        self.did = list[str]()

    def _did(self, what: str) -> Callable[..., str]:
        return lambda *words, **_: self.did.append(" ".join([what, *words[:2]])) or ""

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def accepts(_: Stack, address: str) -> bool:
            return address in self.accepting

        monkeypatch.setattr(keepalived, "has_address", lambda _: self.here)
        monkeypatch.setattr(handover, "_accepts", accepts)
        seen = [Server("web1", "UP", self.connections, "")]
        groups = {"ready": seen, "alive": []}
        monkeypatch.setattr(haproxy, "servers", lambda _, group: groups[group])
        monkeypatch.setattr(system, "wait", lambda condition, *_: condition())
        for name in ("run", "require", "stop", "start"):
            monkeypatch.setattr(system, name, self._did(name))


@pytest.fixture
def stack() -> Stack:
    mine = inventory.of_host(INPUTS, "lb1", GROUPS)
    return Stack.model_validate(inventory.plan(mine, MACHINE))


def test_who_comes_anew_waits_until_the_other_has_the_address(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(OTHER, ADDRESS, connections=2)
    host.patch(monkeypatch)
    said = handover.run(stack)
    assert said.startswith("lb2 has 10.0.0.30 after ")
    assert said.endswith("; 2 connections were cut off")
    steps = [did.partition(" inet")[0].partition("\n")[0] for did in host.did]
    held, freed = "require nft table", "require nft delete"
    assert [steps[0], freed] == ["run nft delete", steps[-1]]
    assert steps[1].startswith(held)
    assert steps[2:4] == [f"stop {KEEPALIVED}", f"start {KEEPALIVED}"]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (Host(OTHER, here=False), r"10.0.0.30 is not here but on lb2; nothing was done"),
        (Host(), r"lb2 accepts no connection on port 80"),
    ],
    ids=["it is elsewhere", "the other serves nobody"],
)
def test_it_stays_where_it_is(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, host: Host, words: str
) -> None:
    host.patch(monkeypatch)
    with pytest.raises(StackctlError, match=words):
        handover.run(stack)
    assert host.did == []


def test_it_comes_back_where_the_other_does_not_take_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(OTHER)
    host.patch(monkeypatch)
    with pytest.raises(StackctlError, match=r"lb2 has not taken 10.0.0.30 within 5 s"):
        handover.run(stack)
    assert host.did[-2].startswith("start")
    assert host.did[-1].startswith("require nft delete")
