"""A web host is taken out of the balancers before its release or its restart, and put back once it
is ready."""

from __future__ import annotations

from pgstack.errors import ProbeError
from pgstack.live.probes import haproxy as probe

from . import apache, haproxy, system
from .safe import StackctlError
from .stack import Stack

READY_SECONDS = 60
"""for a web host that was put back: HAProxy looks at it twice a second"""
DIFFER = "differ"
"""word in the list by which HAProxy keeps a visitor on one web host"""


def drain(stack: Stack, name: str, same: bool) -> str:
    """On a balancer: no new connection goes to this web host. Returns what was done.

    Unless it will serve the `same` release, a visitor stays on the web host that he came to until
    all do.
    """
    if stack.balancing is None:
        raise StackctlError("there are no balancers in front of this host; nothing was done.")
    number = _number(stack, name)
    if not any(server.ready for server in _servers(stack) if server.name != name):
        return f"{name} keeps its connections: no other web host is ready"
    if not same:
        _tell(stack, f"clear acl {_list(stack)}")
        _tell(stack, f"add acl {_list(stack)} {DIFFER}")
    _set(stack, name, "drain")
    _tell(stack, f"clear table {probe.READY} data.server_id eq {number}")
    return f"{name} gets no new connection"


def leave(stack: Stack, within: float | None) -> str:
    """On the web host itself: each connection ends with its answer. Waits so many seconds at most
    until nobody is connected, or as long as a request may take. Returns what was done."""
    apache.disable_keepalive(stack)
    longest = stack.web.request_timeout if within is None else within
    system.wait(lambda: not apache.visitors(stack), longest)
    return "each connection ends with its answer"


def put_back(stack: Stack, name: str, same: bool) -> str:
    """The contrary; on a balancer once the web host answers, and with `same` a visitor may come to
    any web host again. Returns what was done."""
    if stack.balancing is None:
        raise StackctlError("there are no balancers in front of this host; nothing was done.")
    if not stack.balancing.member:
        apache.enable_keepalive(stack)
        return "connections stay open"
    _number(stack, name)
    _set(stack, name, "ready")
    if same:
        _tell(stack, f"clear acl {_list(stack)}")
    if not system.wait(lambda: _server(stack, name).ready, READY_SECONDS):
        raise StackctlError(
            f"{name} is not ready after {READY_SECONDS} s: the last look at it brought "
            f"{_server(stack, name).seen}. Other web hosts serve; see `stackctl status` on {name}."
        )
    return f"{name} gets connections"


def _number(stack: Stack, name: str) -> int:
    """Of a web host in HAProxy's configuration. Raises StackctlError for one that is none."""
    known = [*haproxy.part(stack).servers]
    if name not in known:
        raise StackctlError(
            f"{name}: no web host behind this balancer; there are {', '.join(known)}. Nothing was "
            "done."
        )
    return known.index(name) + 1


def _servers(stack: Stack) -> list[probe.Server]:
    try:
        return haproxy.servers(stack)
    except ProbeError as error:
        raise StackctlError(f"{error}. See journalctl -u {haproxy.unit(stack)}.") from None


def _server(stack: Stack, name: str) -> probe.Server:
    return next(server for server in _servers(stack) if server.name == name)


def _set(stack: Stack, name: str, state: str) -> None:
    for group in (probe.READY, probe.ALIVE):
        _tell(stack, f"set server {group}/{name} state {state}")


def _list(stack: Stack) -> str:
    return f"{stack.paths.conf}/haproxy/releases.acl"


def _tell(stack: Stack, words: str) -> None:
    """Raise StackctlError when HAProxy does not do it: it answers what it did with nothing."""
    if answer := haproxy.command(stack, words):
        raise StackctlError(f"HAProxy: {words}: {answer}. Nothing else was done.")
