"""PostgreSQL of this host, whoever starts it: systemd, or Patroni on a member of a cluster."""

from __future__ import annotations

from . import passwords, patroni, postgres
from .safe import StackctlError
from .stack import Stack


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` restart the server; returns what was
    done."""
    if stack.cluster is None:
        return postgres.apply(stack, again)
    if again:
        return _restart(stack)
    passwords.require(stack)
    verb = patroni.fill(stack)
    done = verb if verb == "unchanged" else patroni.bring(stack, verb)
    if patroni.role(stack) == "leader":
        changed = postgres.roles(stack), patroni.share(stack)
        if done == "unchanged" and any(changed):
            done = "passwords or shared settings set"
    return f"{done}; {postgres.WAITS}" if patroni.waits(stack) else done


def _restart(stack: Stack) -> str:
    """A standby's; the leader has to hand over first, or requests would fail."""
    if patroni.role(stack) == "leader":
        raise StackctlError(
            "this member leads, and its restart would fail requests; nothing was done. Run "
            f"`{stack.names.stackctl} switchover` first, which loses none."
        )
    patroni.restart(stack)
    return "restarted"
