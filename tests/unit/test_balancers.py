"""Balancers in front of web hosts: inputs, plans and files of their hosts."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.host_plan import BUCKET, MEMBERS
from pgstack.errors import InputError, ProbeError
from pgstack.live.probes import haproxy
from pgstack.planning import balancer_order
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.targets.host import inventory, machine

MACHINE = {"cores": 2, "memory": 2 * 1024**3, "debian": 13, "open_files": 65536}
BALANCERS = {"lb1": "10.0.0.31", "lb2": "10.0.0.32"}
WEBS = {"web1": "10.0.0.11", "web2": "10.0.0.12"}
INPUTS: dict[str, Any] = {
    **BUCKET,
    "hosts": ["shop.example"],
    "address": "*",
    "port": 443,
    "tls": "self-signed",
    "members": MEMBERS,
    "failover": "silence",
    "web_addresses": [*WEBS.values()],
    "balancers": BALANCERS,
    "balancer_address": "10.0.0.30",
}
GROUPS = {"database": [*MEMBERS], "web": [*WEBS], "balancer": [*BALANCERS]}


def planned(host: str, groups: dict[str, list[str]] = GROUPS, **inputs: Any) -> Plan:
    """The plan of one host of a cluster; a balancer's is nobody else's business."""
    wanted = {**INPUTS, **inputs}
    mine = inventory.of_host(wanted, host, groups)
    beside = () if host in BALANCERS else (inventory.of_host(wanted, "db1", groups), MACHINE)
    return Plan.model_validate(inventory.plan(mine, MACHINE, *beside))


def text(plan: Plan, name: str) -> str:
    """Text of one rendered file."""
    return next(file.text for file in templates.files(plan) if file.path.name == name)


def test_the_group_says_what_a_balancer_runs() -> None:
    assert planned("lb2").services == ("metrics", "haproxy", "keepalived", "host", "firewall")
    assert "haproxy" not in planned("web1").services
    assert planned("db1").balancing is None


def test_each_web_host_is_looked_at_and_told_who_the_visitor_is() -> None:
    shown = text(planned("lb1"), "haproxy.cfg")
    for number, (name, address) in enumerate(WEBS.items(), 1):
        line = f"    server {name} {address}:443 id {number} tcp-ut 4s check"
        assert f"{line} check-ssl verify none\n" in shown
        assert f"{line}\n" in shown
        assert f"    server {name} {address}:80 id {number} tcp-ut 4s track alive/{name}\n" in shown
    assert "send-proxy-v2 check-send-proxy" in shown
    plain = text(planned("lb1", tls="off", port=80), "haproxy.cfg")
    assert "check-ssl" not in plain
    assert "frontend plain" not in plain


def test_a_web_host_lets_balancers_in_and_believes_them_alone() -> None:
    plan = planned("web2")
    assert "ip saddr { 10.0.0.31, 10.0.0.32 } tcp dport {443, 80} accept" in text(
        plan, "nftables.conf"
    )
    site = text(plan, "site.conf")
    visitors = site.count("<VirtualHost *:")
    assert visitors == 4
    assert site.count("RemoteIPProxyProtocol On") == visitors
    assert site.count("%{CONN_REMOTE_ADDR} -ipmatch '10.0.0.32')") == visitors
    assert "remoteip_module" in text(plan, "apache2.conf")


def test_the_address_is_one_balancers_at_a_time() -> None:
    first, second = (text(planned(name), "keepalived.conf") for name in BALANCERS)
    assert "priority 101\n" in first
    assert "priority 100\n" in second
    assert "unicast_src_ip 10.0.0.32\n    unicast_peer {\n        10.0.0.31\n" in second
    assert "10.0.0.30/32 dev $INTERFACE" in first
    assert "ip saddr 10.0.0.31 ip protocol 112 accept" in text(planned("lb2"), "nftables.conf")


def test_connections_are_as_many_as_memory_and_open_files_allow() -> None:
    mine = inventory.of_host(INPUTS, "lb1", GROUPS)
    limited = Plan.model_validate(inventory.plan(mine, {**MACHINE, "open_files": 20000}))
    plan = planned("lb1")
    assert "maxconn 13107\n" in text(plan, "haproxy.cfg")  # 2 GB / 4 / 40 kB
    assert "maxconn 9950\n" in text(limited, "haproxy.cfg")  # (20,000 - 100) / 2


def test_a_balancer_is_told_nothing_of_the_database() -> None:
    told = inventory.of_host({**INPUTS, "alert_mail": "ops@shop.example"}, "lb1", GROUPS)
    assert told["web_servers"] == WEBS
    assert told["alert_mail"] == "ops@shop.example"
    assert not told.keys() & {"members", "failover", "backup", "web_addresses"}


def test_web_hosts_apart_from_one_database_host_have_balancers_too() -> None:
    groups = {**GROUPS, "database": ["db1"]}
    alone = {"members": {}, "failover": "lease", "backup": "off"}
    assert planned("lb1", groups, **alone).balancing == planned("lb1").balancing
    assert "RemoteIPProxyProtocol On" in text(planned("web1", groups, **alone), "site.conf")


def test_requests_that_are_held_back_are_waited_for_longer() -> None:
    rules = {rule.name: rule for rule in balancer_order.check(planned("web1"))}
    assert all(rule.holds for rule in rules.values())
    assert rules["timeouts of a balancer's look in s"].arithmetic == (
        "query_wait_timeout 10 < answer to a look 12 < request-timeout 30"
    )
    assert rules["timeouts of a lost web host in s"].arithmetic == (
        "look 0.5 < connection 1 < lost web host 2.5 < gap 3"
    )
    assert rules["timeouts of a look that a lost web host owes in s"].arithmetic == (
        "lost web host 2.5 < lost while it owes an answer 5 < answer to a look 12"
    )
    assert rules["timeouts of a lost balancer in s"].arithmetic == (
        "advertisement 0.5 < lost balancer 1.80469 < gap 3"
    )
    assert rules["timeouts of a balanced connection in s"].arithmetic == (
        "Apache Timeout 60 < idle connection 70"
    )


REFUSED: dict[str, tuple[dict[str, Any], dict[str, list[str]], str]] = {
    "no address": ({"balancer_address": ""}, {}, "STACK_BALANCERS needs STACK_BALANCER_ADDRESS"),
    "a host's own": (
        {"balancer_address": "10.0.0.12"},
        {},
        "stack_inputs.balancer_address: 10.0.0.12 is the own address of web2",
    ),
    "one only": (
        {"balancers": {"lb1": "10.0.0.31"}},
        {"balancer": ["lb1"]},
        "there are 2 hosts in the group balancer or none",
    ),
    "two with one address": (
        {"balancers": {"lb1": "10.0.0.31", "lb2": "10.0.0.31"}},
        {},
        "1 balancers; there are 2",
    ),
    "a group without addresses": ({"balancers": {}}, {}, "balancers has none"),
    "addresses without a group": ({}, {"balancer": []}, "balancer has none, balancers has lb1"),
    "no web hosts": ({}, {"web": []}, "balancers need hosts in the group web"),
    "a web host": (
        {"balancers": {"lb1": "10.0.0.31", "web1": "10.0.0.11"}},
        {"balancer": ["lb1", "web1"], "web": ["lb1", "web1"]},
        "lb1: a balancer is a host of its own",
    ),
    "a network": ({"web_addresses": ["10.0.0.0/24"]}, {}, "single addresses, one of each host"),
    "acme": ({"tls": "acme", "acme_email": "a@shop.example"}, {}, "files or self-signed"),
    "proxy": ({"proxy_addresses": ["10.0.0.99"]}, {}, "STACK_PROXY_ADDRESSES do not go with"),
    "loopback": ({"address": "127.0.0.1"}, {}, "set *"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_balanced_is_refused(case: str) -> None:
    inputs, groups, reason = REFUSED[case]
    with pytest.raises(InputError, match=reason.replace("*", r"\*")):
        planned(
            "web2" if case not in ("a web host", "no web hosts") else "lb1",
            GROUPS | groups,
            **inputs,
        )


def test_haproxy_may_hold_the_sites_port() -> None:
    def listener(program: str) -> machine.Listener:
        unit = f"{program}.service"
        return {"port": 443, "address": "*", "program": program, "unit": unit}

    plan = planned("lb1").model_dump(mode="json")
    assert machine.port_conflicts(plan, [listener("stack-haproxy")]) == []
    assert "held by nginx" in machine.port_conflicts(plan, [listener("nginx")])[0]


STAT = """\
# pxname,svname,qcur,scur,status,check_status,
ready,web1,0,3,UP,L7OK,
ready,web2,0,0,DRAIN,* L7OK,
ready,web3,0,,DOWN 1/2,L4TOUT,
"""


def test_the_states_of_web_hosts_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy, "ask", lambda *_: STAT)
    first, second, third = haproxy.servers("/run/x", 1)
    assert (first.ready, first.drained, first.sessions) == (True, False, 3)
    assert (second.ready, second.drained, second.seen) == (False, True, "L7OK")
    assert (third.ready, third.drained, third.seen) == (False, False, "L4TOUT")
    monkeypatch.setattr(haproxy, "ask", lambda *_: "Permission denied\nx\n")
    with pytest.raises(ProbeError, match="not understood"):
        haproxy.servers("/run/x", 1)
