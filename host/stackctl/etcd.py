"""etcd of a cluster's member: it holds what the members agree on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping

from pgstack.errors import ProbeError
from pgstack.live.probes.etcd import Etcd, Peer
from pgstack.planning import services
from pgstack.planning.cluster import Cluster

from . import authority, membership, safe, system
from .stack import Stack
from .system import UNITS

ALONE = b"\nforce-new-cluster: true\n"
INITIAL = re.compile(rb"^initial-cluster(-state)?: .*\n", re.MULTILINE)


def unit(stack: Stack) -> str:
    """Name of its unit."""
    return services.unit(stack, "etcd.service")


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` restart it; returns what was done.

    A new certificate it reads by itself.
    """
    authority.apply(stack)
    wanted = system.planned_files(stack.conf / "etcd", UNITS / unit(stack))
    running = system.active(unit(stack))
    if running and not again and wanted == safe.contents(stack.live("etcd")):
        return "unchanged"
    system.fill(stack.live("etcd"), wanted)
    system.require("systemctl", "enable", "--quiet", unit(stack))
    if running:
        system.run("systemctl", "stop", unit(stack))
    system.start(unit(stack))
    return "restarted" if running else "started"


def resign(stack: Stack, _: argparse.Namespace) -> int:
    """Have another member's etcd lead, where this one does: its end costs no election then, which
    takes some seconds."""
    part = membership.part(stack)
    own = membership.way(part, part.members[part.member])
    try:
        number = own.leads()
        others = [peer for peer in own.peers() if peer.number != number] if number else []
    except ProbeError as error:
        print(f"etcd       {error}")
        return 0
    for peer in others:
        if peer.name in part.members and _takes(part, own, peer):
            print(f"etcd       {peer.name} leads")
            break
    return 0


def _takes(part: Cluster, own: Etcd, peer: Peer) -> bool:
    """Whether it has the lead now."""
    try:
        membership.way(part, part.members[peer.name]).health()
        own.hand_over(peer.number)
    except ProbeError:
        return False
    return True


def join(stack: Stack, members: Mapping[str, str]) -> None:
    """Start the etcd of a member that the others expect; the URL of each by its name. Raises
    StackctlError."""
    listed = ",".join(f"{name}={url}" for name, url in members.items())
    said = f"initial-cluster: {listed}\ninitial-cluster-state: existing\n".encode()
    _start_once(stack, lambda text: INITIAL.sub(b"", text) + said)


def begin_anew(stack: Stack) -> None:
    """Start it as the only member, with what it knows. Raises StackctlError."""
    system.stop(unit(stack))
    _start_once(stack, lambda text: text + ALONE)


def _start_once(stack: Stack, changed: Callable[[bytes], bytes]) -> None:
    """Start it with another configuration, which is of no use afterwards: what is in force is what
    is planned."""
    wanted = system.planned_files(stack.conf / "etcd", UNITS / unit(stack))
    system.fill(stack.live("etcd"), {**wanted, "etcd.yml": changed(wanted["etcd.yml"])})
    try:
        system.require("systemctl", "enable", "--quiet", unit(stack))
        system.start(unit(stack))
    finally:  # systemd starts it again, which is not to begin anew once more
        system.fill(stack.live("etcd"), wanted)
