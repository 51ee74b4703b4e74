"""What a balancer is told before and after the release of a web host."""

from __future__ import annotations

import pytest

from pgstack.live.probes.haproxy import Server
from pgstack.targets.host import inventory
from stackctl import drained, haproxy, system
from stackctl.safe import StackctlError
from stackctl.stack import Stack

INPUTS = {
    "hosts": ["shop.example"],
    "address": "*",
    "web_addresses": ["10.0.0.11", "10.0.0.12"],
    "balancers": {"lb1": "10.0.0.31", "lb2": "10.0.0.32"},
    "balancer_address": "10.0.0.30",
}
GROUPS = {"database": ["db1"], "web": ["web1", "web2"], "balancer": ["lb1", "lb2"]}
MACHINE = {"cores": 2, "memory": 2 * 1024**3, "debian": 13, "open_files": 65536}
LIST = "/etc/stack/haproxy/releases.acl"


class Balancer:
    """It does what it is told, and says what it is given of its web hosts."""

    def __init__(self, **states: str) -> None:
        self.states, self.told = states, list[str]()

    def command(self, _: Stack, words: str) -> str:
        self.told.append(words)
        return ""

    def servers(self, _: Stack) -> list[Server]:
        return [Server(name, state, 0, "L4CON") for name, state in self.states.items()]


@pytest.fixture
def stack() -> Stack:
    mine = inventory.of_host(INPUTS, "lb1", GROUPS)
    return Stack.model_validate(inventory.plan(mine, MACHINE))


def balancer(monkeypatch: pytest.MonkeyPatch, **states: str) -> Balancer:
    there = Balancer(**states)
    monkeypatch.setattr(haproxy, "command", there.command)
    monkeypatch.setattr(haproxy, "servers", there.servers)
    monkeypatch.setattr(system, "wait", lambda condition, *_: condition())
    return there


def test_a_web_host_gets_no_new_connection_and_visitors_stay_on_one(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = balancer(monkeypatch, web1="UP", web2="UP")
    assert drained.drain(stack, "web2", same=False) == "web2 gets no new connection"
    assert there.told == [
        f"clear acl {LIST}",
        f"add acl {LIST} differ",
        "set server ready/web2 state drain",
        "set server alive/web2 state drain",
        "clear table ready data.server_id eq 2",
    ]


def test_one_that_will_serve_the_same_again_keeps_nobody_on_one_web_host(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = balancer(monkeypatch, web1="UP", web2="UP")
    drained.drain(stack, "web2", same=True)
    assert there.told == [
        "set server ready/web2 state drain",
        "set server alive/web2 state drain",
        "clear table ready data.server_id eq 2",
    ]


def test_the_only_web_host_that_is_ready_keeps_its_connections(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = balancer(monkeypatch, web1="UP", web2="DOWN")
    assert "no other web host is ready" in drained.drain(stack, "web1", same=False)
    assert there.told == []


@pytest.mark.parametrize("same", [False, True])
def test_it_is_put_back_and_visitors_may_go_anywhere_once_all_serve_the_same(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, *, same: bool
) -> None:
    there = balancer(monkeypatch, web1="UP", web2="UP")
    assert drained.put_back(stack, "web2", same) == "web2 gets connections"
    back = ["set server ready/web2 state ready", "set server alive/web2 state ready"]
    assert there.told == [*back, *([f"clear acl {LIST}"] if same else [])]


def test_one_that_is_not_ready_and_one_that_is_unknown_are_errors(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    balancer(monkeypatch, web1="UP", web2="DOWN")
    with pytest.raises(StackctlError, match=r"web2 is not ready after 60 s.*L4CON"):
        drained.put_back(stack, "web2", same=True)
    with pytest.raises(StackctlError, match=r"web9: no web host .* web1, web2"):
        drained.drain(stack, "web9", same=False)


def test_what_haproxy_refuses_is_an_error(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    balancer(monkeypatch, web1="UP", web2="UP")
    monkeypatch.setattr(haproxy, "command", lambda *_: "No such server.")
    with pytest.raises(StackctlError, match="No such server"):
        drained.drain(stack, "web2", same=False)
