"""What the group `balancer` of an inventory says of its hosts, and of the web hosts behind them."""

from __future__ import annotations

import ipaddress
from typing import Any

from pgstack.errors import InputError
from pgstack.planning.balancers_input import COUNT

Inputs = dict[str, Any]
Groups = dict[str, list[str]]
GROUP = "balancer"
TOLD = (
    "port",
    "address",
    "hosts",
    "tls",
    "tls_certificate",
    "tls_key",
    "request_timeout",
    "debian",
    "cores",
    "memory",
    "firewall",
    "observability",
    "metrics_port",
    "balancers",
    "balancer_address",
)
"""inputs that mean something on a balancer, beside those of alerts"""
OF_ALERTS = "alert_"
OF_BALANCERS = ("balancers", "balancer_address")
"""inputs that mean nothing on a database host"""


def asked(inputs: Inputs, groups: Groups) -> bool:
    """Whether there are to be balancers."""
    return bool(inputs.get("balancers") or groups.get(GROUP))


def require(inputs: Inputs, host: str, groups: Groups) -> None:
    """Raise InputError unless group and addresses fit together, and each host is something else."""
    balancers, webs = groups.get(GROUP, []), groups.get("web", [])
    members = groups.get("database", []) + groups.get("witness", [])
    places = inputs.get("balancers") or {}
    if list(places) != balancers or len(balancers) != COUNT:
        raise InputError(
            f"inventory: there are {COUNT} hosts in the group balancer or none, and "
            "stack_inputs.balancers has the address of each in their order. "
            f"balancer has {_listed(balancers)}, balancers has {_listed(list(places))}."
        )
    if not webs:
        raise InputError("inventory: balancers need hosts in the group web, which has none.")
    if host in balancers and host in {*webs, *members}:
        raise InputError(
            f"inventory: {host}: a balancer is a host of its own: its port is the site's, which a "
            "web host needs for Apache. Take it out of one of the groups."
        )
    taken = {**(inputs.get("members") or {}), **places, **_servers(inputs, webs)}
    address = inputs.get("balancer_address")
    if owners := [name for name, place in taken.items() if place == address]:
        raise InputError(
            f"stack_inputs.balancer_address: {address} is the own address of {owners[0]}, and one "
            "balancer at a time has it. Name one that no host has."
        )


def of_balancer(inputs: Inputs, host: str, groups: Groups) -> Inputs:
    """Those of a balancer."""
    known = {
        name: value for name, value in inputs.items() if name in TOLD or name.startswith(OF_ALERTS)
    }
    return {**known, "balancer": host, "web_servers": _servers(inputs, groups["web"])}


def of_other(inputs: Inputs, host: str, groups: Groups) -> Inputs:
    """Those of a host that is none: web hosts are told whom they are behind."""
    told = host in groups.get("web", [])
    return {name: value for name, value in inputs.items() if told or name not in OF_BALANCERS}


def _servers(inputs: Inputs, webs: list[str]) -> dict[str, str]:
    """Address of each web host. Raises InputError."""
    addresses = [str(place) for place in inputs.get("web_addresses") or ()]
    if len(addresses) != len(webs) or not all(map(_is_one, addresses)):
        raise InputError(
            "stack_inputs.web_addresses: balancers hand connections on to single addresses, one of "
            "each host in the group web, in their order. "
            f"web has {_listed(webs)}, web_addresses has {_listed(addresses)}."
        )
    return dict(zip(webs, addresses, strict=True))


def _is_one(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _listed(hosts: list[str]) -> str:
    return ", ".join(hosts) or "none"
