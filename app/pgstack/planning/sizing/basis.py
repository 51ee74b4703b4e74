"""What every part of a plan follows from."""

from __future__ import annotations

from dataclasses import dataclass

from pgstack.planning import targets
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import Roles
from pgstack.planning.hardware import Hardware
from pgstack.planning.places import Accounts, Paths, Versions
from pgstack.planning.sizing.scale import Scale

Reasons = dict[str, str]
"""how a number came about, by its dotted name in the plan"""


@dataclass(frozen=True)
class Basis:
    """Inputs and hardware, the scale that was chosen, and what follows from the target alone."""

    config: StackConfig
    hardware: Hardware
    scale: Scale
    versions: Versions
    paths: Paths
    accounts: Accounts
    roles: Roles

    @property
    def postgresql(self) -> int:
        """Major version of the PostgreSQL that pages work with."""
        asked = self.hardware.database if self.config.database_url else None
        return asked.major if asked else self.versions.postgresql

    @property
    def target(self) -> targets.Target:
        """The target that is planned."""
        return targets.of(self.config.target)
