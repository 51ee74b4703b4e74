"""The targets: one module each."""

from __future__ import annotations

from pgstack.planning.targets.cluster import Cluster
from pgstack.planning.targets.compose import Compose
from pgstack.planning.targets.host import Host
from pgstack.planning.targets.local import Local
from pgstack.planning.targets.target import Location, Target

__all__ = ["TARGETS", "Location", "Target", "of"]

TARGETS: dict[str, Target] = {
    target.name: target for target in (Local(), Compose(), Host(), Cluster())
}


def of(name: str) -> Target:
    """The target of this name. Raises KeyError for another."""
    return TARGETS[name]
