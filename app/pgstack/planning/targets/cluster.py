"""Hosts that Ansible sets up, of which three elect the one whose PostgreSQL leads."""

from __future__ import annotations

from typing import ClassVar, Literal

from pgstack.planning.plan import TargetName
from pgstack.planning.targets.host import Host


class Cluster(Host):
    """Hosts as those of `Host`, whose PostgreSQL Patroni starts and stops."""

    name: ClassVar[TargetName] = "cluster"
    backup: ClassVar[Literal["off", "local"]] = "off"
    elects: ClassVar[bool] = True
