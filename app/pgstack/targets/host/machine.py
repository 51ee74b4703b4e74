"""What a host was found to have (host/survey.py) that is in a stack's way."""

from __future__ import annotations

from typing import Any, TypedDict

from pgstack.planning import locales, services
from pgstack.planning.plan import Plan

FRONT_UNIT = "sites-front@"
"""begins the units of the Apache in front of several sites"""


class Listener(TypedDict):
    """Who listens on TCP."""

    port: int
    address: str
    program: str
    unit: str


class Found(TypedDict):
    """What the database there sorts by, and what the machine knows."""

    sorts: str
    locales: str


class Clock(TypedDict):
    """What a host's clock showed, and between which moments of the clock of who asked, in seconds
    since 1970."""

    asked: float
    here: float
    told: float


class Account(TypedDict):
    """An account of the stack's."""

    name: str
    home: str
    shell: str
    what: str
    """its comment"""
    service: str
    """that it is for"""
    groups: list[str]
    """in which it is besides its own"""


class Accounts(TypedDict):
    """Comments, directories and shells of a host's accounts, and who is in its groups besides those
    whose own they are."""

    accounts: dict[str, str]
    logins: dict[str, list[str]]
    groups: dict[str, list[str]]


def clocks_apart(clocks: dict[str, Clock], most: float) -> str:
    """Which two hosts' clocks differ by more than `most` seconds for certain; empty when none
    do. Nobody knows when in between a host looked at its clock."""
    ahead, slow = (
        max(clocks, key=lambda host: clocks[host]["here"] - clocks[host]["told"]),
        min(clocks, key=lambda host: clocks[host]["here"] - clocks[host]["asked"]),
    )
    least = (clocks[ahead]["here"] - clocks[ahead]["told"]) - (
        clocks[slow]["here"] - clocks[slow]["asked"]
    )
    if least <= most:
        return ""
    return (
        f"The clock of {ahead} is {least:.0f} s or more ahead of that of {slow}. A planned "
        "switchover is announced for a time, so clocks have to agree: have a time service set them "
        "(systemd-timesyncd or chrony)."
    )


def port_conflicts(stack: dict[str, Any], listeners: list[Listener]) -> list[str]:
    """Who holds a port that Apache, HAProxy or the exporter needs; they themselves do not count
    (listeners: see host/survey.py)."""
    plan = Plan.model_validate(stack)
    site, own = plan.site, (services.unit(plan, "apache@"), services.unit(plan, "haproxy."))
    public = site.address.strip("[]")
    wanted = {(public, site.port)} | (
        {(public, site.redirect_port)} if site.redirect_port else set()
    )
    wanted |= {("127.0.0.1", port) for port in site.instance_ports.values()}
    exporter = services.unit(plan, "metrics.service")
    wanted |= {("127.0.0.1", plan.metrics.port)} if plan.metrics and plan.metrics.port else set()
    # Debian's own units: where the stack has set one up it listens nowhere else.
    watching = plan.observability.programs if plan.observability else {}
    wanted |= {("127.0.0.1", program.port) for program in watching.values()}
    if plan.front:
        public = plan.front.address.strip("[]")
        wanted |= {(public, plan.front.port), (public, plan.front.redirect_port)}
        wanted |= {("127.0.0.1", port) for port in plan.front.instance_ports.values()}
    return [
        f"port {listener['port']} is held by {listener['program']} "
        f"({listener['unit'] or 'no unit'}) at {listener['address']}"
        for listener in listeners
        if (listener["address"], listener["unit"].removesuffix(".service"))
        not in {("127.0.0.1", name) for name in watching}
        and not listener["unit"].startswith(
            (*own, exporter, *((FRONT_UNIT,) if plan.front else ()))
        )
        and any(
            listener["port"] == port and _collide(listener["address"], address)
            for address, port in wanted
        )
    ]


def unsorted(stack: dict[str, Any], survey: Found) -> str:
    """Why the host's database cannot sort as wanted; empty when it can (survey: see
    host/survey.py)."""
    plan = Plan.model_validate(stack)
    if "postgres" not in plan.services:
        return ""
    return locales.refusal(plan.postgres.locale, survey["sorts"], locales.named(survey["locales"]))


def unlike(accounts: list[Account], survey: Accounts) -> list[Account]:
    """Those that the host does not have as they are wanted (survey: see host/survey.py)."""
    return [account for account in accounts if not _is_like(account, survey)]


def _is_like(account: Account, survey: Accounts) -> bool:
    name = account["name"]
    return (
        survey["accounts"].get(name) == account["what"]
        and survey["logins"][name] == [account["home"], account["shell"]]
        and all(name in survey["groups"].get(group, ()) for group in account["groups"])
    )


def _collide(left: str, right: str) -> bool:
    return left == right or not {left, right}.isdisjoint({"*", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
