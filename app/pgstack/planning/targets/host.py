"""A Debian host that Ansible sets up and systemd runs; with others, the hosts of one stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pgstack.planning.places import Accounts, Paths
from pgstack.planning.plan import Plan, TargetName
from pgstack.planning.targets.target import Location, Target, machine_accounts, machine_paths


class Host(Target):
    """Units, in releases, where an instance of a server takes over from another."""

    name: ClassVar[TargetName] = "host"
    backup: ClassVar[Literal["off", "local"]] = "local"
    schedules_backups: ClassVar[bool] = True
    apart: ClassVar[bool] = True
    acme: ClassVar[bool] = True
    project_input = "stack_inputs.project.source"
    project_elsewhere: ClassVar[bool] = True
    units: ClassVar[bool] = True
    firewall: ClassVar[bool] = True
    runs_prometheus: ClassVar[bool] = True
    redirects: ClassVar[bool] = True
    several_poolers: ClassVar[bool] = True
    instance_ports: ClassVar[Mapping[str, int]] = {"a": 8441, "b": 8442}
    keeps_copies: ClassVar[bool] = True
    apaches = 2
    """a second one while it takes over"""
    shared: ClassVar[bool] = True
    start = "site.yml"
    remedy = "Bring them into force: run site.yml."
    advise = "stackctl advise"
    change = "{} in the inventory, then site.yml; later stackctl advise --check"
    try_strangers = "As root: `stack-manage stack_verify`."

    def paths(self, location: Location, postgresql: int, /) -> Paths:
        """Each instance of a server sees what is its own at these places (docs/decisions/0006).

        In a release the checkout lies beside the project. Bodies of requests are on a disk, for
        /tmp may be memory: Apache writes there and Django reads. The marks to drain lie where root
        alone may write.
        """
        root, run = f"/srv/{location.names.prefix}", f"/run/{location.names.prefix}"
        bodies = f"/var/cache/{location.names.prefix}-bodies"
        return machine_paths(
            location.names,
            postgresql,
            code=f"{root}/live/app",
            app=f"{root}/live/project",
            venv=f"{root}/live/venv",
            run_pooler_own=f"{run}/pooler-own",
            bodies=bodies,
            streams=bodies,
            drain={name: f"{run}/apache-{name}.drain" for name in self.instance_ports},
        )

    def accounts(self, location: Location, /) -> Accounts:
        """As many as there are rights to keep apart."""
        return machine_accounts(location.names, apache="apache", secrets="secrets")

    def observability_files(self, program: str) -> str:
        """What systemd gives that unit to read (LoadCredential): a part of it is secret."""
        return f"/run/credentials/{program}.service"

    def input(self, field: str) -> str:
        """How the inventory names an input: `stack_inputs.FIELD`."""
        return f"stack_inputs.{field}"

    def environment_file(self, plan: Plan) -> Path | None:
        """Role app has written it; systemd and stack-manage have read it already, but for what is
        secret."""
        path = Path(plan.paths.conf, "environment")
        return path if path.exists() else None
