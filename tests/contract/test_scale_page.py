"""The memory and the connections that docs/scale.md names are those of the planner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan

PAGE = Path(__file__).resolve().parents[2] / "docs/scale.md"
MB, GB = 1024**2, 1024**3
APART = {"database_host": "db.example"}
DATABASE = {**APART, "web_addresses": "10.0.0.0/8"}
CLUSTER = {
    "target": "cluster",
    "members": "db1:10.0.0.21, db2:10.0.0.22, db3:10.0.0.23",
    "database_host": "10.0.0.21",
}
MEMBER = {**CLUSTER, "web_addresses": "10.0.0.0/24"}
BALANCER = {
    "balancer": "lb1",
    "balancers": "lb1:10.0.0.31, lb2:10.0.0.32",
    "balancer_address": "10.0.0.30",
    "web_servers": "web1:10.0.0.11, web2:10.0.0.12",
    "address": "*",
    "port": 443,
    "tls": "self-signed",
}


def plan(inputs: dict[str, Any], web_hosts: int = 2) -> Plan:
    given = {"target": "host", "hosts": "shop.example", "web_hosts": web_hosts, **inputs}
    return sizing.plan(StackConfig(**given), Hardware(2, 4 * GB, 13, 65536))


def row(name: str) -> str:
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {name} |")]
    return line


def needed(inputs: dict[str, Any], web_hosts: int = 2) -> str:
    return f"{sum(plan(inputs, web_hosts).memory.shares().values()) // MB:,}"


@pytest.mark.parametrize(
    ("inputs", "web_hosts", "said"),
    [
        ({}, 1, "| {} |"),
        (DATABASE, 2, "| database {}, web"),
        (APART, 2, "web {} |"),
        (MEMBER, 2, "| member {} (etcd"),
        (CLUSTER, 2, "web {} (follower"),
        (BALANCER, 2, "| {} (HAProxy"),
    ],
)
def test_memory_of_a_host(inputs: dict[str, Any], web_hosts: int, said: str) -> None:
    assert said.format(needed(inputs, web_hosts)) in row("memory of a host, MB")


def test_memory_of_what_a_step_adds() -> None:
    told = row("memory of a host, MB")
    assert f"Patroni {plan(MEMBER).memory.cluster // MB})" in told
    assert f"(follower {plan(CLUSTER).memory.cluster // MB})" in told
    assert f"connections {plan(BALANCER).memory.balancing // MB})" in told


def test_connections_of_postgresql() -> None:
    alone = plan({}, 1).postgres.max_connections
    two, four, eight = (plan(DATABASE, hosts).postgres.max_connections for hosts in (2, 4, 8))
    member = plan(MEMBER).postgres.max_connections
    assert row("connections of PostgreSQL") == (
        f"| connections of PostgreSQL | {alone} | {two}; with 4 web hosts {four}, with 8 {eight} | "
        f"{member} | |"
    )
