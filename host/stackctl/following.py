"""The unit of what follows the primary."""

from __future__ import annotations

from pathlib import Path

from pgstack.planning import services

from . import follower, own_units, system
from .safe import StackctlError
from .stack import Stack

START_SECONDS = 30


def unit(stack: Stack) -> str:
    """Name of its unit."""
    return services.unit(stack, "follower.service")


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was done.

    Raises StackctlError when it finds no primary.
    """
    if stack.cluster is None:
        raise StackctlError("there is no cluster to follow; nothing was done.")
    if not own_units.bring(stack, "follower", "follower", again):
        return "unchanged"
    kinds = ["primary", "further", *(["replica"] if stack.replicas else [])]
    links = [Path(stack.cluster.follower.run, follower.LINKS[kind]) for kind in kinds]
    if not system.wait(lambda: all(link.is_symlink() for link in links), START_SECONDS):
        raise StackctlError(
            "no member of the cluster leads that this host can ask: "
            f"{', '.join(stack.cluster.databases)}. See journalctl -u {unit(stack)}."
        )
    return "runs"
