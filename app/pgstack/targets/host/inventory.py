"""The inputs of an inventory, and the plan that they give for each host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pgstack.errors import InputError, StackError
from pgstack.planning import config, discovery, granted, hardware, names, sizing
from pgstack.planning.grants import Grants
from pgstack.planning.input_names import environment_name
from pgstack.planning.members_input import COUNT
from pgstack.planning.plan import Plan
from pgstack.targets.host import balancers

Inputs = dict[str, Any]
OF_COMMANDS = ("workers", "schedule")
"""inputs whose parts are commands"""
WITH_COMMAS = (*OF_COMMANDS, "lanes")
"""inputs in whose parts there may be commas"""
OF_DATABASES = ("web_addresses", "watchdog")
"""inputs that mean nothing on a witness"""


def names_of(inputs: Inputs) -> dict[str, str]:
    """What the site's own things are called. Raises InputError."""
    try:
        given = {environment_name("name"): str(inputs.get("name") or "")}
        return names.of(config.load(given, target="host").name).model_dump()
    except StackError as error:
        raise InputError(f"stack_inputs: {error}") from error


def of_host(inputs: Inputs, host: str, groups: dict[str, list[str]]) -> Inputs:
    """`inputs` with what the groups `database`, `witness`, `web` and `balancer` say of `host`.
    Raises InputError."""
    if balancers.asked(inputs, groups):
        balancers.require(inputs, host, groups)
        if host in groups[balancers.GROUP]:
            return balancers.of_balancer(inputs, host, groups)
        inputs = balancers.of_other(inputs, host, groups)
    databases, webs = groups.get("database", []), groups.get("web", [])
    witnesses = groups.get("witness", [])
    if not databases and not webs and not witnesses:
        return inputs
    if inputs.get("database_url"):
        return _beside_external(inputs, host, databases + witnesses, webs)
    if inputs.get("members") or len(databases) > 1 or witnesses:
        return _of_cluster(inputs, host, groups)
    if (
        len(databases) != 1
        or not webs
        or (host in webs and host in databases)
        or host not in (*webs, *databases)
    ):
        raise InputError(
            f"inventory: {host}: with hosts apart there is one in the group database, the others "
            f"are in the group web. "
            f"database has {', '.join(databases) or 'none'}, web has {', '.join(webs) or 'none'}."
        )
    if not inputs.get("web_addresses"):
        raise InputError("stack_inputs.web_addresses: missing. Name where the web hosts come from.")
    with_hosts = {"database_host": databases[0], **inputs, "web_hosts": len(webs)}
    return with_hosts if host in databases else _of_web(with_hosts, host, webs, "web_addresses")


def _of_cluster(inputs: Inputs, host: str, groups: dict[str, list[str]]) -> Inputs:
    """Those of a member, or of a web host beside them. Raises InputError."""
    databases, witnesses, webs = (groups.get(name, []) for name in ("database", "witness", "web"))
    members, hosts = inputs.get("members") or {}, databases + witnesses
    if list(members) != hosts or len(hosts) != COUNT or len(witnesses) > 1:
        raise InputError(
            "inventory: with one database host there is one in the group database; "
            f"a cluster has {COUNT} hosts in the group database, or {COUNT - 1} there and one in "
            "the group witness, and stack_inputs.members has the address of each in their order, "
            f"the witness last. database has {_listed(databases)}, witness has "
            f"{_listed(witnesses)}, members has {_listed(members)}."
        )
    _require_parts(inputs, host, hosts, webs)
    if (named := inputs.get("witness")) and named not in witnesses:
        raise InputError(
            f"stack_inputs.witness={named}: the inventory says which host it is, and its group "
            f"witness has {_listed(witnesses)}. Leave the input out."
        )
    with_hosts = {
        **inputs,
        "database_host": members.get(host, members[databases[0]]),
        "web_hosts": len(webs),
        "witness": "".join(witnesses),
    }
    if host in webs:
        return _of_web(with_hosts, host, webs, "web_addresses")
    away = OF_DATABASES if host in witnesses else ()
    return {name: value for name, value in with_hosts.items() if name not in away}


def _require_parts(inputs: Inputs, host: str, members: list[str], webs: list[str]) -> None:
    """Raise InputError unless the host is in one of the groups, and web hosts come from
    somewhere."""
    if not webs or (host in webs) == (host in members):
        raise InputError(
            f"inventory: {host}: each host is either in the group database (or witness) or in the "
            f"group web. The former have {_listed(members)}, web has {_listed(webs)}."
        )
    if not inputs.get("web_addresses"):
        raise InputError("stack_inputs.web_addresses: missing. Name where the web hosts come from.")


def _listed(hosts: Iterable[str]) -> str:
    return ", ".join(hosts) or "none"


def _beside_external(inputs: Inputs, host: str, databases: list[str], webs: list[str]) -> Inputs:
    """Those of a web host whose PostgreSQL is external. Raises InputError."""
    if databases or host not in webs:
        raise InputError(
            f"inventory: {host}: stack_inputs.database_url names a database that is on no host of "
            f"the inventory, so all of them are in the group web, and none is in database."
        )
    return _of_web({**inputs, "web_hosts": len(webs)}, host, webs)


def _of_web(inputs: Inputs, host: str, webs: list[str], *others: str) -> Inputs:
    """Without `others`. Work beside pages is done on the first web host, not on each of them; its
    files are kept under its own name."""
    away = {*others, *(OF_COMMANDS if host != webs[0] else ())}
    own = {"backup_name": re.sub(r"[^A-Za-z0-9._-]", "-", host), **inputs}
    return {name: value for name, value in own.items() if name not in away}


def plan(
    inputs: dict[str, Any],
    machine: dict[str, Any],
    other_inputs: dict[str, Any] | None = None,
    other_machine: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The plan for a host that was found to be `machine` (see pgstack.planning.hardware). Raises
    InputError.

    For a web host the others are those of its database host, or of a cluster's first: they say what
    PostgreSQL runs with and how many backends each web host has. So they do for the other members.
    """
    try:
        if other_inputs is None or other_machine is None:
            return _planned(inputs, machine).model_dump(mode="json")
        database = _planned(other_inputs, other_machine)
        inputs = {**inputs, "pool_size": database.pooler.default_pool_size}
        if inputs.get("members") and inputs.get("web_addresses"):
            member = _planned(inputs, machine)
            return sizing.plan_member(member, database).model_dump(mode="json")
        web = _planned(inputs, machine)
        return sizing.plan_web_host(web, database).model_dump(mode="json")
    except StackError as error:
        raise InputError(f"stack_inputs: {error}") from error


def plan_external(
    inputs: dict[str, Any], machine: dict[str, Any], asked: dict[str, Any]
) -> dict[str, Any]:
    """The plan of a host on an external PostgreSQL, which has been `asked` (stackctl.external).
    Raises InputError."""
    before = Grants(**asked["before"]) if asked["before"] else None
    try:
        planned = granted.plan(
            lambda grants: _planned(inputs, machine, grants), before, Grants(**asked["now"])
        )
    except StackError as error:
        raise InputError(f"stack_inputs: {error}") from error
    return planned.model_dump(mode="json")


def _planned(
    inputs: dict[str, Any], machine: dict[str, Any], database: Grants | None = None
) -> Plan:
    texts = {
        environment_name(name): _text(value, ";" if name in WITH_COMMAS else ",")
        for name, value in inputs.items()
        if name != "project"
    }
    own = tuple((inputs.get("project") or {}).get("packages") or ())
    target = "cluster" if inputs.get("members") else "host"
    given = config.load(
        texts, target=target, project=_directory(inputs), packages=",".join(map(str, own))
    )
    chosen = discovery.complete(given)
    surveyed = hardware.Hardware(**{**machine, "database": database})
    return sizing.plan(chosen, hardware.chosen(chosen, surveyed))


def _directory(inputs: dict[str, Any]) -> Path | None:
    """Where the project is, if it is on this machine; None for the demo."""
    project = inputs.get("project") or {}
    return (
        Path(project["source"]).expanduser() / project.get("directory", ".")
        if project.get("source")
        else None
    )


def _text(value: Any, separator: str) -> str:
    if isinstance(value, dict):  # weights of sites
        return ",".join(f"{name}:{weight}" for name, weight in value.items())
    if isinstance(value, bool):  # what YAML makes of on and off
        return "on" if value else "off"
    return separator.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
