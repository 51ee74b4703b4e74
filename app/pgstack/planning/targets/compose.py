"""Docker Compose: a container for each server, and volumes between them."""

from __future__ import annotations

from typing import ClassVar

from pgstack.planning.plan import Accounts, Paths
from pgstack.planning.targets.target import Location, Target, machine_accounts, machine_paths


class Compose(Target):
    """Containers."""

    name = "compose"
    image: ClassVar[bool] = True
    closes_egress: ClassVar[bool] = True
    apaches = 1
    """the limit of threads is the container's own"""
    no_project = "Or the image was built without it: docker compose up --build."
    try_strangers = "`make verify TARGET=compose` does, in a second run."

    def paths(self, location: Location, postgresql: int, /) -> Paths:
        """The engine keeps the logs. /tmp of a container is memory, so bodies lie with uploads."""
        return machine_paths(
            postgresql,
            app=f"/srv/stack/{'project' if location.project else 'app'}",
            access_log="/dev/stdout",
            error_log="/dev/stderr",
        )

    def accounts(self, _: Location, /) -> Accounts:
        """Each image has its own."""
        return machine_accounts(apache="app", secrets="sockets")
