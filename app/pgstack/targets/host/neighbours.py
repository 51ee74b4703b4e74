"""Whether a site fits beside those that a host was found to have (host/survey.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgstack.planning.plan import Plan

MB = 1024**2
Other = dict[str, Any]
"""parts of another site's plan, as it was written"""


def reasons(stack: dict[str, Any], others: list[Other]) -> list[str]:
    """What is against it; empty when it fits."""
    plan = Plan.model_validate(stack)
    if not others:
        return []
    named = [str(other["names"]["site"]) for other in others]
    if plan.share is None:
        return [
            f"{plan.names.site} would have the host to itself, which has {', '.join(named)} already"
        ]
    unknown = [name for name in named if name not in plan.share.sites]
    if unknown:
        listed = ", ".join(plan.share.sites)
        return [f"{unknown[0]} is on this host and not among {listed}: add or uninstall it"]
    return [*_alone(others), *_memory(plan, others), *_unlike(plan, others)]


def _alone(others: list[Other]) -> Iterator[str]:
    for other in others:
        if not other["share"]:
            yield f"{other['names']['site']} was planned to have the host to itself"


def _memory(plan: Plan, others: list[Other]) -> Iterator[str]:
    """What all of them were promised, against what there is."""
    share = plan.share
    if share is None:
        return
    sizes = {plan.names.site: plan.memory.total}
    sizes |= {str(other["names"]["site"]): int(other["memory"]["total"]) for other in others}
    if sum(sizes.values()) + share.front > share.memory:
        told = " + ".join(f"{size // MB} {name}" for name, size in sizes.items())
        yield (
            f"{told} + {share.front // MB} the Apache in front = "
            f"{(sum(sizes.values()) + share.front) // MB} MB, and the host has "
            f"{share.memory // MB} MB: a site has still what other weights gave it"
        )


def _unlike(plan: Plan, others: list[Other]) -> Iterator[str]:
    """What all sites of a host have in common, and what no two may have."""
    ports = {plan.site.port, *plan.site.instance_ports.values()}
    for other in others:
        name, front = other["names"]["site"], other["front"]
        if plan.front and front:
            if plan.front.address != front["address"]:
                yield f"address: {plan.front.address} here, and {front['address']} of {name}"
            for host in sorted({*plan.front.hosts} & {*front["hosts"]}):
                yield f"hosts: {host} is a name of {name} too"
        if plan.firewall.enabled != other["firewall"]["enabled"]:
            yield f"firewall: {name} has it otherwise"
        taken = ports & {other["site"]["port"], *other["site"]["instance_ports"].values()}
        if taken:
            yield f"loopback port {min(taken)} is that of {name}, whose place in the list differs"
        exporter = (other["metrics"] or {}).get("port")
        if plan.metrics and plan.metrics.port and plan.metrics.port == exporter:
            yield f"metrics_port: {exporter} is that of {name}"
        backup = other["backup"]
        here = (plan.backup.kind, plan.backup.path) if plan.backup else None
        if backup and here == ("local", backup["path"]):
            yield f"backup_path: {backup['path']} is that of {name}"
