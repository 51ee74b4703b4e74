"""PostgreSQL of a member of a cluster while it is restored: without Patroni, which would take what
it replays for a standby, and with no way in but its socket."""

from __future__ import annotations

from pathlib import Path

from pgstack.errors import ProbeError
from pgstack.live.probes import members
from pgstack.planning.services import postgres_program

from . import backup, membership, patroni, postgres, system, unfit
from .safe import StackctlError
from .stack import Stack

OPTIONS = "-c listen_addresses='' -c synchronous_standby_names=''"
"""what is in the backup is of the member that led then"""
FORGOTTEN = ("status", "sync", "failover", "failsafe")
"""Patroni's notes in etcd of the database that was there: who had all of it, and how far it was"""
LEADS_SECONDS = 60


def require(stack: Stack) -> None:
    """Raise StackctlError unless all other members are stopped, and this one may lead."""
    if stack.cluster is None:
        return
    running = [member.name for member in members.ask(stack.cluster) if member.state]
    others = [name for name in running if name != stack.cluster.member]
    if others:
        raise StackctlError(
            f"{' and '.join(others)} would go on with the database of now; nothing was changed. "
            "Run the playbook restore.yml, which stops all members."
        )
    if running and not patroni.leads(stack):
        raise StackctlError(
            "this member does not lead; nothing was changed. Stop its Patroni first."
        )


def log(stack: Stack) -> Path:
    """What it writes meanwhile."""
    return Path(backup.require(stack).state, "restore.log")


def start(stack: Stack) -> None:
    """Start it, and do not wait."""
    _control(stack, f"--log={log(stack)}", "--no-wait", f"--options={OPTIONS}", "start")


def runs(stack: Stack) -> bool:
    """Whether it does."""
    return _control(stack, "status").returncode == 0


def stop(stack: Stack) -> None:
    """Stop it, if it runs."""
    _control(stack, "--mode=fast", "stop")


def hand_over(stack: Stack) -> None:
    """Stop it, and have Patroni lead with it. Raises StackctlError."""
    stop(stack)
    part = patroni.part(stack)
    try:
        for name in FORGOTTEN:
            membership.way(part, part.address).delete(f"/service/{part.scope}/{name}")
    except ProbeError as error:
        raise StackctlError(f"{error}: Patroni would wait for the database of before.") from None
    unfit.forget(stack)
    system.require("systemctl", "start", patroni.unit(stack))
    if not system.wait(lambda: patroni.leads(stack), LEADS_SECONDS, 0.5):
        raise StackctlError(
            f"this member does not lead {LEADS_SECONDS} s after the start of Patroni. See "
            f"journalctl -u {patroni.unit(stack)}."
        )
    postgres.roles(stack)
    patroni.share(stack)


def copy(stack: Stack) -> str:
    """Delete the database of this member, and copy the leader's; returns what was done. Raises
    StackctlError where nobody leads, or this member."""
    system.wait(lambda: _leader(stack) is not None, LEADS_SECONDS, 1)
    leader = _leader(stack)
    if leader is None:
        raise StackctlError("no member leads, so there is nothing to copy; nothing was changed.")
    if leader not in patroni.part(stack).others:
        raise StackctlError("this member leads, so there is nothing to copy; nothing was changed.")
    system.stop(patroni.unit(stack))
    system.require(
        "find", stack.paths.data, "-mindepth", "1", "-delete", account=stack.accounts.postgres
    )
    patroni.bring(stack, unfit.forget(stack))
    return f"copies {leader}"


def _leader(stack: Stack) -> str | None:
    leader = members.leader(members.ask(patroni.part(stack)))
    return leader.name if leader else None


def _control(stack: Stack, *words: str) -> system.Done:
    program = postgres_program(stack, "pg_ctl")
    return system.run(
        program, f"--pgdata={stack.paths.data}", *words, account=stack.accounts.postgres
    )
