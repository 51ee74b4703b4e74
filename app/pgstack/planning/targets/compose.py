"""Docker Compose: a container for each server, and volumes between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pgstack.planning.places import Accounts, Paths
from pgstack.planning.targets.target import Location, Target, machine_accounts, machine_paths


class Compose(Target):
    """Containers."""

    name = "compose"
    image: ClassVar[bool] = True
    closes_egress: ClassVar[bool] = True
    runs_prometheus: ClassVar[bool] = True
    observability_socket: ClassVar[str] = "/run/stack/history/history.sock"
    instance_ports: ClassVar[Mapping[str, int]] = {"a": 8441, "b": 8442}
    apaches = 1
    """the limit of threads is the container's own"""
    no_project = "Or the image was built without it: docker compose up --build."
    try_strangers = "`make verify TARGET=compose` does, in a second run."

    def paths(self, location: Location, postgresql: int, /) -> Paths:
        """The engine keeps the logs. /tmp of a container is memory, so bodies lie with uploads.

        Each container of PgBouncer has a directory of its own in the volume, and `run_pooler` leads
        to one of them.
        """
        return machine_paths(
            location.names,
            postgresql,
            app=f"/srv/stack/{'project' if location.project else 'app'}",
            access_log="/dev/stdout",
            error_log="/dev/stderr",
            run_pooler="/run/stack/pooler/current",
            run_pooler_own="/run/stack/instance/pooler",
            drain=dict.fromkeys(self.instance_ports, "/run/stack/apache/drain"),
        )

    def accounts(self, location: Location, /) -> Accounts:
        """Accounts: each image has its own."""
        return machine_accounts(location.names, apache="app", secrets="sockets")

    def observability_files(self, _: str, /) -> str:
        """In the memory of the program's container, which writes them at its start."""
        return "/run/stack/observability"
