"""A cluster of two database hosts and a witness: what it is planned with, and what is refused."""

from __future__ import annotations

from typing import Any, cast

import pytest
from test_cluster_plan import GB, INPUTS, SMALL, text

from fixtures.host_plan import MEMBERS
from pgstack.errors import InputError
from pgstack.live.probes.etcd import Peer
from pgstack.metrics import cluster as told
from pgstack.planning.plan import Plan
from pgstack.targets.host import inventory, servers
from stackctl import authority, joining, passwords, patroni, status, switchover, unfit
from stackctl.safe import StackctlError
from stackctl.stack import Stack

WITNESS = "db3"
DATABASES = {"db1": "10.0.0.21", "db2": "10.0.0.22"}
GROUPS = {"database": [*DATABASES], "witness": [WITNESS], "web": ["web1", "web2"]}
TINY = {**SMALL, "cores": 1, "memory": GB // 2}


def planned(host: str, **more: Any) -> Plan:
    """The plan of one host; the witness is tiny, and nobody is asked beside it."""
    inputs = {**INPUTS, **more}
    mine, first = (inventory.of_host(inputs, name, GROUPS) for name in (host, "db1"))
    beside = () if host in ("db1", WITNESS) else (first, SMALL)
    machine = TINY if host == WITNESS else SMALL
    return Plan.model_validate(inventory.plan(mine, machine, *beside))


def stack(host: str) -> Stack:
    return cast("Stack", planned(host))


def test_a_witness_has_etcd_alone() -> None:
    plan = planned(WITNESS)
    assert plan.services == ("etcd", "metrics", "host", "firewall")
    needed = servers.needed(plan.model_dump(mode="json"))
    assert "etcd-server" in needed["packages"]
    assert {"patroni", "postgresql-17", "pgbouncer", "pgbackrest"}.isdisjoint(needed["packages"])


def test_a_witness_says_too_that_the_leader_is_silent() -> None:
    assert "silence" in planned(WITNESS, failover="silence").services
    assert "silence" not in planned(WITNESS).services


def test_a_witness_asks_for_no_watchdog() -> None:
    watched = planned(WITNESS, watchdog="required").cluster, planned("db1", watchdog="required")
    assert watched[0] is not None
    assert watched[1].cluster is not None
    assert (watched[0].watchdog, watched[1].cluster.watchdog) == ("off", "required")


@pytest.mark.parametrize("host", [*MEMBERS, "web1"])
def test_all_hosts_know_who_has_etcd_and_who_a_database(host: str) -> None:
    part = planned(host).cluster
    assert part is not None
    assert (part.members, part.databases, part.witness) == (MEMBERS, DATABASES, WITNESS)
    assert part.member == (host if host in MEMBERS else "")


def test_etcd_has_three_members() -> None:
    for host in MEMBERS:
        line = ",".join(f"{name}=https://{place}:2380" for name, place in MEMBERS.items())
        assert f"initial-cluster: {line}\n" in text(planned(host), "etcd.yml")
    hosts = ", ".join(f'"{place}:2379"' for place in MEMBERS.values())
    assert f"hosts: [{hosts}]" in text(planned("db2"), "patroni.yml")


def test_two_have_a_database() -> None:
    assert "allowlist: [10.0.0.21, 10.0.0.22]\n" in text(planned("db2"), "patroni.yml")
    assert "10.0.0.23" not in text(planned("db1"), "pg_hba.conf")
    web = planned("web1", replicas="read")
    assert web.postgres.host == "10.0.0.21,10.0.0.22"
    assert "10.0.0.23" not in text(web, "stack-follower.service")
    for kind in ("primary", "replica"):
        assert "host=10.0.0.22 " in text(web, f"{kind}-2.ini")
        with pytest.raises(StopIteration):
            text(web, f"{kind}-3.ini")


def test_the_firewall_of_a_witness_lets_members_in_at_etcd() -> None:
    rules = text(planned(WITNESS), "nftables.conf")
    assert "ip saddr {10.0.0.21, 10.0.0.22} tcp dport {2379, 2380} accept" in rules
    assert "5432" not in rules
    assert "8008" not in rules
    beside = "ip saddr {10.0.0.22, 10.0.0.23} tcp dport {5432, 8008, 2379, 2380} accept"
    assert beside in text(planned("db1"), "nftables.conf")


def test_a_witness_renews_the_certificate_of_etcd() -> None:
    assert "stackctl apply etcd\n" in text(planned(WITNESS), "stack-certificates.service")
    assert [place.name for place in authority._readers(stack(WITNESS))] == ["etcd"]
    assert [place.name for place in authority._readers(stack("db1"))] == ["server", "etcd"]


def test_a_witness_makes_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(authority, "renew", lambda: asked.append("renew"))
    assert passwords.renew(stack(WITNESS)) == "a new certificate waits for `stackctl apply etcd`"
    assert asked == ["renew"]


def test_a_witness_says_what_it_is() -> None:
    assert status.of_postgres(stack(WITNESS)).text == (
        "on 10.0.0.21,10.0.0.22; this host is the witness, with etcd alone"
    )
    assert status.of_postgres(stack("web1")).text == "on 10.0.0.21,10.0.0.22"


def test_nothing_is_asked_of_a_patroni_that_a_witness_does_not_have() -> None:
    assert not patroni.leads(stack(WITNESS))
    assert unfit.note(stack(WITNESS)) == ""
    with pytest.raises(StackctlError, match=r"the cluster's witness .* Run it on db1 or db2\."):
        switchover.run(stack(WITNESS), "")


def test_an_empty_witness_takes_the_place_of_the_one_before() -> None:
    first, second, lost = (
        Peer(str(number), name, (f"https://{place}:2380",), started=True)
        for number, (name, place) in enumerate(MEMBERS.items())
    )
    assert joining.whose_place(stack(WITNESS), [first, second, lost]) == [lost]


@pytest.mark.parametrize(
    ("host", "asked"),
    [("db1", {"10.0.0.21", "10.0.0.23"}), (WITNESS, {"10.0.0.23"})],
)
def test_database_hosts_look_at_etcd_of_the_witness_too(
    monkeypatch: pytest.MonkeyPatch, host: str, asked: set[str]
) -> None:
    seen: set[str] = set()

    class Connection:
        def close(self) -> None: ...

    def connect(place: tuple[str, int], _: float) -> Connection:
        seen.add(place[0])
        return Connection()

    monkeypatch.setattr(told.socket, "create_connection", connect)
    part = planned(host).cluster
    assert part is not None
    assert told.etcd(part) == []
    assert seen == asked


@pytest.mark.parametrize(
    ("members", "databases", "witnesses"),
    [
        pytest.param(MEMBERS, ["db1", "db2", "db3"], ["db4"], id="three databases and a witness"),
        pytest.param(DATABASES, ["db1", "db2"], [WITNESS], id="a witness that is no member"),
        pytest.param(DATABASES, ["db1"], ["db2"], id="two members"),
        pytest.param(MEMBERS, ["db1"], ["db2", "db3"], id="two witnesses"),
        pytest.param(MEMBERS, ["db2", "db3"], ["db1"], id="another order"),
        pytest.param(MEMBERS, ["db1", "db2", "db3"], ["db3"], id="in both groups"),
        pytest.param({}, ["db1"], ["db2"], id="one database host"),
    ],
)
def test_any_other_inventory_with_a_witness_is_refused(
    members: dict[str, str], databases: list[str], witnesses: list[str]
) -> None:
    groups = {"database": databases, "witness": witnesses, "web": ["web1"]}
    with pytest.raises(InputError, match="or 2 there and one in the group witness, and") as refusal:
        inventory.of_host({**INPUTS, "members": members}, "db1", groups)
    assert f"witness has {', '.join(witnesses)}" in str(refusal.value)


def test_an_input_that_names_another_witness_than_the_inventory_is_refused() -> None:
    with pytest.raises(InputError, match=r"witness=db2: .* group witness has db3\. Leave"):
        inventory.of_host({**INPUTS, "witness": "db2"}, "db1", GROUPS)


def test_a_witness_that_serves_pages_too_is_refused() -> None:
    groups = {**GROUPS, "web": ["web1", WITNESS]}
    with pytest.raises(InputError, match="db3: each host is either in the group database"):
        inventory.of_host(INPUTS, WITNESS, groups)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"witness": "db3"}, "STACK_WITNESS=db3 needs STACK_MEMBERS"),
        (
            {"members": MEMBERS, "database_host": "10.0.0.21", "witness": "db4"},
            r"STACK_WITNESS=db4 is no name in STACK_MEMBERS\. Name the one of db1, db2, db3",
        ),
    ],
)
def test_a_name_that_is_no_member_is_refused(inputs: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        inventory.plan(inputs, SMALL)
