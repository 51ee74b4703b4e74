"""A host with no etcd of its own yet takes the place of a member that is lost: the others are told
to forget that one and to expect this one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pgstack.errors import ProbeError
from pgstack.live.probes.etcd import Etcd, Peer
from pgstack.planning.cluster import Cluster

from . import authority, etcd, membership
from .membership import way
from .safe import StackctlError
from .stack import Stack

REACH_SECONDS = 2
READY_SECONDS = 60
"""etcd takes another member once all that it has are connected for 5 s"""


def join(stack: Stack) -> str:
    """Join etcd of the other members; returns what was done. Raises StackctlError: the others are
    as they were, or have forgotten who is lost, or expect this one, which may join once more."""
    authority.apply(stack)
    if _has_data(stack):
        return "unchanged"
    asked, listed = _others(stack)
    own = next((peer for peer in listed if _url(stack) in peer.urls), None)
    if own and own.name and not own.started:
        return etcd.apply(stack)  # the first run of all, which did not come to its end
    lost = whose_place(stack, listed)
    _require_gone(stack, lost)
    try:
        for peer in lost:
            asked.remove_peer(peer.number)
        if own is None or own in lost:
            _announce(asked, _url(stack))
    except ProbeError as error:
        raise StackctlError(f"{error}: the others do not take this host as a member.") from None
    etcd.join(stack, initial_members(stack, [peer for peer in listed if peer not in lost]))
    return f"joins, in the place of {', '.join(peer.name for peer in lost) or 'nobody'}"


def _announce(asked: Etcd, url: str) -> None:
    """Have the others expect a member there. Raises ProbeError."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            asked.add_peer(url)
        except ProbeError:
            # Two of two would have to agree that it is.
            if any(url in peer.urls for peer in asked.peers(agreed=False)):
                return
            if time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(1)


def initial_members(stack: Stack, listed: list[Peer]) -> dict[str, str]:
    """URL of each member by its name, this host and those that others have: etcd joins with just
    these, and where two of three were lost they are fewer than planned."""
    part = membership.part(stack)
    planned = {_url(stack, address): name for name, address in part.members.items()}
    known = {planned.get(url, peer.name): url for peer in listed for url in peer.urls}
    return {**known, part.member: _url(stack)}


def outlive(stack: Stack, lost: list[str]) -> str:
    """Have this member's etcd decide alone, with what it knows, where all others are lost for good;
    returns what was done. Raises StackctlError while one of them lives, and nothing was changed."""
    part = membership.part(stack)
    if not _has_data(stack):
        raise StackctlError(
            "etcd of this host has no data, so it knows nothing to go on with; nothing was changed."
        )
    if sorted(lost) != sorted(part.others):
        raise StackctlError(
            f"name all others that are lost: {' '.join(part.others)}. With one of them nothing is "
            "to be done: two decide. Nothing was changed."
        )
    for name, address in part.others.items():
        if _is_reached(part, address):
            raise StackctlError(
                f"{name} at {address} lives: with it most of the members are there. Nothing was "
                "changed."
            )
    if _lives(stack, part.address):
        raise StackctlError("etcd of this host decides already; nothing was changed.")
    etcd.begin_anew(stack)
    return f"decides alone, without {' and '.join(lost)}. Never switch these on again"


def _is_reached(part: Cluster, address: str) -> bool:
    """Whether anything listens there that a member has."""
    for port in (part.peer_port, part.client_port, part.leader_port):
        with suppress(OSError), socket.create_connection((address, port), REACH_SECONDS):
            return True
    return False


def _has_data(stack: Stack) -> bool:
    return Path("/var/lib", f"{stack.names.prefix}-etcd", "member").is_dir()


def _url(stack: Stack, address: str = "") -> str:
    part = membership.part(stack)
    return f"https://{address or part.address}:{part.peer_port}"


def _others(stack: Stack) -> tuple[Etcd, list[Peer]]:
    """One that answers, and whom it knows. Raises StackctlError."""
    part = membership.part(stack)
    for address in part.others.values():
        with suppress(ProbeError):
            return (asked := way(part, address)), asked.peers()
    for address in part.others.values():  # a last member that waits for this one alone
        with suppress(ProbeError):
            known = (asked := way(part, address)).peers(agreed=False)
            if any(_url(stack) in peer.urls and not peer.started for peer in known):
                return asked, known
    raise StackctlError(
        f"no etcd of {' or '.join(part.others)} decides, so this host cannot join; nothing was "
        "changed. Bring most of the members back first (docs/cluster.md)."
    )


def whose_place(stack: Stack, listed: list[Peer]) -> list[Peer]:
    """Whom the others are to forget: one at most. Raises StackctlError for several."""
    planned = {_url(stack, address) for address in membership.part(stack).others.values()}
    lost = [peer for peer in listed if peer.started and not planned & set(peer.urls)]
    if len(lost) > 1:
        raise StackctlError(
            f"{' and '.join(peer.name for peer in lost)} would be replaced at once, and most of "
            "the members have to stay; nothing was changed. Replace one after the other."
        )
    return lost


def _require_gone(stack: Stack, lost: list[Peer]) -> None:
    """Raise StackctlError for one that lives."""
    for peer in lost:
        if any(_lives(stack, address) for address in _elsewhere(stack, peer)):
            raise StackctlError(
                f"{peer.name} at {', '.join(peer.urls)} lives, and would be replaced; nothing was "
                "changed. Shut that host down first."
            )


def _elsewhere(stack: Stack, peer: Peer) -> Iterator[str]:
    """Its addresses, but for this host's."""
    own = membership.part(stack).address
    for url in peer.urls:
        address = url.removeprefix("https://").rpartition(":")[0]
        if address != own:
            yield address


def _lives(stack: Stack, address: str) -> bool:
    with suppress(ProbeError):
        way(membership.part(stack), address).health()
        return True
    return False
