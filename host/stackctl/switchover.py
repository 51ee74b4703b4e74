"""A planned change of the primary. It is announced in etcd a moment ahead, so that what follows the
primary on each web host holds requests back by itself: no web host is to be reached for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes import members as probes
from pgstack.live.probes.members import unfit

from . import patroni
from .safe import StackctlError
from .stack import Stack

AHEAD_SECONDS = 3
"""longer than what follows the primary needs to see it and to hold requests back"""
LEADS_SECONDS = 30
POLL_SECONDS = 0.1
FORGETS_POLL_SECONDS = 1.0
GIVEN_UP_SECONDS = 4
"""after the planned time, until Patroni has found that the candidate is not ready"""
STANDBYS = ("sync_standby", "quorum_standby", "replica")
"""Patroni's words, the best first"""


def run(stack: Stack, to: str) -> str:
    """Have the member `to` lead, or with no name the one that has every acknowledged write; returns
    what was done. Raises StackctlError, and the leader leads on."""
    try:
        _require_etcd(stack)
        return _run(stack, to) or _run(stack, to, last=True)
    except ProbeError as error:
        raise StackctlError(f"{error}. Look with `{stack.names.stackctl} status`.") from None


def _require_etcd(stack: Stack) -> None:
    """Wait until nobody leads by the others' word instead of etcd's. For as long as a lease lasts
    afterwards Patroni of a standby takes no other for its leader, also where that one has handed
    over. Raises StackctlError."""
    part = patroni.part(stack)
    deadline = time.monotonic() + part.ttl + part.loop_wait
    while without := [member.name for member in probes.ask(part) if member.failsafe]:
        if time.monotonic() > deadline:
            raise StackctlError(
                f"etcd did not answer less than {part.ttl} s ago (failsafe mode of "
                f"{', '.join(without)}), and for so long nobody else is elected; nothing was done."
            )
        time.sleep(FORGETS_POLL_SECONDS)


def _run(stack: Stack, to: str, last: bool = False) -> str:
    """Empty where Patroni has not done it, which is an error with `last`."""
    api, cluster = patroni.api(stack), patroni.part(stack)
    members = api.get(cluster.address, "cluster").body.get("members", [])
    leader = next((row["name"] for row in members if row["role"] == "leader"), "")
    if not leader:
        raise StackctlError("no member leads, so none can hand over; Patroni is electing one.")
    candidate = _candidate(members, leader, to)
    at = datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS)
    wish = {"leader": leader, "candidate": candidate, "scheduled_at": at.isoformat()}
    patroni.require(
        api.send(cluster.members[leader], "switchover", wish),
        f"{leader} leads on, and did not hand over",
    )
    began = time.monotonic()
    while not _leads(stack, candidate):
        waited = time.monotonic() - began - AHEAD_SECONDS
        if waited > GIVEN_UP_SECONDS and _given_up(stack, leader):
            if not last:
                return ""
            raise StackctlError(
                f"{leader} leads on: Patroni found {candidate} not ready at the planned time, "
                f"twice. See on {leader} journalctl -u {patroni.unit(stack)}."
            )
        if waited > LEADS_SECONDS:
            raise StackctlError(
                f"{candidate} does not lead {LEADS_SECONDS} s after the time that was planned. "
                "Requests go on by themselves; see on both hosts "
                f"journalctl -u {patroni.unit(stack)}."
            )
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began - AHEAD_SECONDS
    return f"{candidate} leads after {leader}, {seconds:.1f} s after the planned time"


def _given_up(stack: Stack, leader: str) -> bool:
    """Whether the member that led has forgotten the wish and leads on."""
    try:
        seen = patroni.api(stack).get(patroni.part(stack).address, "cluster").body
    except ProbeError:
        return False
    return "scheduled_switchover" not in seen and _leads(stack, leader)


def _candidate(members: list[dict[str, Any]], leader: str, to: str) -> str:
    """Raises StackctlError unless there is a member to hand over to."""
    ready: dict[str, str] = {
        row["name"]: row["role"]
        for row in members
        if row["role"] in STANDBYS
        and row.get("state") in ("streaming", "running")
        and not unfit(row)
    }
    if to == leader:
        raise StackctlError(f"--to {to}: it leads already; nothing was done.")
    if to and to not in ready:
        raise StackctlError(
            f"--to {to}: no standby that is up to date and may lead; nothing was done. There are: "
            f"{', '.join(ready) or 'none'}."
        )
    if to:
        return to
    if not ready:
        raise StackctlError("no standby is up to date and may lead, so none can; nothing was done.")
    return min(ready, key=lambda name: STANDBYS.index(ready[name]))


def _leads(stack: Stack, member: str) -> bool:
    try:
        return patroni.api(stack).get(patroni.part(stack).members[member], "primary").good
    except ProbeError:
        return False
