"""A planned change of the balancer that visitors come to: who comes anew waits for the other one,
and the connections of now end before."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pgstack.errors import ProbeError
from pgstack.live.probes import haproxy as probe
from pgstack.planning.balancing import Balancing

from . import haproxy, keepalived, system
from .safe import StackctlError
from .stack import Stack

TABLE = "stack_handover"
HOLD_SECONDS = 10
"""The kernel lets everybody in after that, also when this program was killed."""
LEAVE_SECONDS = 3
"""for the connections of now; a client that is held back asks again 1 and 3 s after it has come"""
TAKE_SECONDS = 5
"""for the other balancer; it takes the address within a second of being told"""
POLL_SECONDS = 0.05
CONNECT_SECONDS = 0.3
HOLD = """\
table inet {table} {{
    set held {{ type ipv4_addr; flags timeout; elements = {{ {address} timeout {seconds}s }} }}
    chain input {{
        type filter hook input priority filter - 1;
        ip daddr @held tcp dport {{ {ports} }} tcp flags & (syn | ack) == syn drop
    }}
}}
"""


def run(stack: Stack) -> str:
    """Have the other balancer get the address; returns what was done. Raises StackctlError, and the
    address is here then."""
    part = haproxy.part(stack)
    other = next(name for name in part.members if name != part.member)
    if not keepalived.has_address(part):
        raise StackctlError(f"{part.address} is not here but on {other}; nothing was done.")
    if not _accepts(stack, part.other):
        raise StackctlError(
            f"{other} accepts no connection on port {stack.site.port}, so nobody would be served "
            f"there; nothing was done. `stackctl status` on {other} says what does not work."
        )
    began = time.monotonic()
    with _held(stack, part):
        system.wait(lambda: not _connections(stack), LEAVE_SECONDS, POLL_SECONDS)
        left = _connections(stack)
        system.stop(keepalived.unit(stack))
        try:
            taken = system.wait(lambda: _accepts(stack, part.address), TAKE_SECONDS, POLL_SECONDS)
        finally:
            system.start(keepalived.unit(stack))
    if not taken:
        raise StackctlError(
            f"{other} has not taken {part.address} within {TAKE_SECONDS} s; this balancer takes it "
            f"again. See journalctl -u {keepalived.unit(stack)} on {other}."
        )
    seconds = time.monotonic() - began
    return f"{other} has {part.address} after {seconds:.1f} s; {left} connections were cut off"


@contextmanager
def _held(stack: Stack, part: Balancing) -> Iterator[None]:
    """Meanwhile nobody who comes to the address is answered; clients ask again by themselves."""
    ports = [stack.site.port, *([stack.site.redirect_port] if stack.site.redirect_port else [])]
    rules = HOLD.format(
        table=TABLE,
        address=part.address,
        seconds=HOLD_SECONDS,
        ports=", ".join(map(str, ports)),
    )
    system.run("nft", "delete", "table", "inet", TABLE)  # of a run that was killed
    system.require("nft", rules)
    try:
        yield
    finally:
        system.require("nft", "delete", "table", "inet", TABLE)


def _connections(stack: Stack) -> int:
    """That visitors have by this balancer; none where it does not say."""
    groups = (probe.READY, probe.ALIVE, *([probe.PLAIN] if stack.site.redirect_port else []))
    try:
        return sum(server.sessions for group in groups for server in haproxy.servers(stack, group))
    except ProbeError:
        return 0


def _accepts(stack: Stack, address: str) -> bool:
    """Whether somebody there takes connections to the site."""
    try:
        socket.create_connection((address, stack.site.port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
