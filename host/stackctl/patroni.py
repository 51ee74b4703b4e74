"""Patroni of a cluster's member, and PostgreSQL, which it alone starts, stops and promotes."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes.members import COPIES
from pgstack.live.probes.patroni import EPOCH, LOGIN, Answer, Api
from pgstack.planning import layout, services
from pgstack.planning.cluster import Cluster

from . import authority, epoch, membership, passwords, safe, system
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

SECRETS = "secrets.yml"
"""beside patroni.yml, for Patroni's account alone; Patroni reads both"""
UNFIT = authority.DIRECTORY / "unfit"
"""is there while this member must not lead: beside the data, also where the stack is taken away"""
START_SECONDS = 120
ANSWER_SECONDS = 5


def unit(stack: Stack) -> str:
    """Name of its unit."""
    return services.postgres_unit(stack)


def part(stack: Stack) -> Cluster:
    """The cluster of this member. Raises StackctlError on any other host, and on a witness."""
    cluster = membership.part(stack)
    if cluster.member == cluster.witness:
        raise StackctlError(
            "this host is the cluster's witness and has no database, so there is nothing to do "
            f"here. Run it on {' or '.join(cluster.databases)}."
        )
    return cluster


def api(stack: Stack) -> Api:
    """How members are asked from this one."""
    port, password = part(stack).leader_port, passwords.kept(passwords.CLUSTER_KEY)
    return Api(port, layout.AUTHORITY, ANSWER_SECONDS, password)


def fill(stack: Stack) -> str:
    """Put what is wanted in its place; `unchanged` when it is there, else which verb of systemctl
    brings it into force."""
    renewed = authority.apply(stack)
    secret = json.dumps(_secrets(stack)).encode()
    files = {
        "postgres": safe.contents(stack.conf / "postgres"),
        "patroni": system.planned_files(stack.conf / "patroni", UNITS / unit(stack)),
    }
    before = {name: safe.contents(stack.live(name)) for name in files}
    wanted = {**files, "patroni": files["patroni"] | {SECRETS: secret}}
    running = system.active(unit(stack))
    if running and wanted == before and not renewed:
        return "unchanged"
    for name, texts in files.items():
        system.fill(stack.live(name), texts)
    safe.write(stack.live("patroni") / SECRETS, secret, 0o640, group=stack.accounts.postgres)
    if not running:
        return "start"
    return "reload" if wanted["patroni"]["unit"] == before["patroni"].get("unit") else "restart"


def bring(stack: Stack, verb: str) -> str:
    """Start, restart or reload it, and wait until PostgreSQL serves; returns what was done.

    Raises StackctlError when it does not.
    """
    system.require("systemctl", "enable", "--quiet", unit(stack))
    system.require("systemctl", verb, unit(stack))
    if not system.wait(lambda: role(stack) != "", START_SECONDS, 0.5):
        raise StackctlError(
            f"PostgreSQL serves neither as leader nor as standby {START_SECONDS} s after the "
            f"{verb} of Patroni. See journalctl -u {unit(stack)}."
        )
    return {"start": "started", "restart": "restarted"}.get(verb, "reloaded")


def role(stack: Stack) -> str:
    """`leader`, `standby` or, while it is being copied, `copied`; empty while it is none."""
    here = part(stack).address
    try:
        if api(stack).get(here, "primary").good:
            return "leader"
        shown = api(stack).get(here, "replica")
    except ProbeError:
        return ""
    if shown.good:
        return "standby"
    return "copied" if shown.body.get("state") == COPIES else ""


def leads(stack: Stack) -> bool:
    """Whether this host takes writes, so that what is done once in a cluster is done here: always
    where there is no cluster."""
    if stack.cluster is None:
        return True
    if "patroni" not in stack.services:
        return False
    asked = Api(part(stack).leader_port, layout.AUTHORITY, ANSWER_SECONDS)
    try:
        return asked.get(part(stack).address, "primary").good
    except ProbeError:
        return False


def share(stack: Stack) -> bool:
    """Have etcd hold what all members go by; whether it did not before. The leader's task."""
    here, wanted = part(stack).address, part(stack).shared
    if _within(wanted, api(stack).get(here, "config").body):
        return False
    require(api(stack).send(here, "config", wanted, "PATCH"), "the configuration was not changed")
    return True


def restart(stack: Stack) -> None:
    """Restart PostgreSQL. Raises StackctlError when it is not back."""
    slow = replace(api(stack), seconds=START_SECONDS)
    require(slow.send(part(stack).address, "restart", {}), "PostgreSQL was not restarted")


def waits(stack: Stack) -> bool:
    """Whether a setting waits for a restart."""
    return bool(api(stack).get(part(stack).address, "patroni").body.get("pending_restart"))


def require(answer: Answer, what: str) -> None:
    """Raise StackctlError with what Patroni said unless it did what it was asked."""
    if not 200 <= answer.status < 300:
        raise StackctlError(f"{what}: Patroni says {answer.body.get('message') or answer.status}.")


def _within(wanted: Any, there: Any) -> bool:
    """Whether all of `wanted` is in `there`, however deep."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(
            _within(value, there.get(name)) for name, value in wanted.items()
        )
    return bool(wanted == there)


def _epoch(stack: Stack) -> int:
    """That of the cluster; where etcd does not say, as it was when these were written last."""
    with suppress(ProbeError):
        now = epoch.current(part(stack))
        return now.number if now else 0
    with suppress(FileNotFoundError, ValueError):
        said = json.loads(safe.read(stack.live("patroni") / SECRETS))
        return int(said.get("tags", {}).get(EPOCH, 0))
    return 0


def _secrets(stack: Stack) -> dict[str, Any]:
    """What patroni.yml does not say; JSON is YAML."""
    known, cluster = passwords.known(stack), part(stack)
    tags: dict[str, int] = {"nofailover": True} if UNFIT.exists() else {}
    if number := _epoch(stack):
        tags[EPOCH] = number
    return ({"tags": tags} if tags else {}) | {
        "restapi": {
            "authentication": {"username": LOGIN, "password": passwords.kept(passwords.CLUSTER_KEY)}
        },
        "postgresql": {
            "authentication": {
                "replication": {"password": known[cluster.replication_role]},
                "rewind": {"password": known[cluster.rewind_role]},
            }
        },
    }
