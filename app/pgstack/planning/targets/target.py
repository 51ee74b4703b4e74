"""What a target is to the planner: facts, and no effects (those have a driver,
pgstack.targets)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pgstack.planning.names import STACK
from pgstack.planning.places import Accounts, Names, Paths
from pgstack.planning.plan import Plan, TargetName


@dataclass(frozen=True)
class Location:
    """What the inputs and this machine say of where a stack lies; paths are absolute."""

    checkout: Path
    directory: Path
    """of the local target"""
    project: Path | None
    """None: the demo"""
    account: str | None
    """of the local target; None: whoever starts it"""
    names: Names


class Target(ABC):
    """One way to run a stack. What most targets have in common is the value here."""

    name: ClassVar[TargetName]

    # Inputs: which of them mean something here.
    backup: ClassVar[Literal["off", "local"]] = "off"
    """where backups are kept that no input speaks of"""
    schedules_backups: ClassVar[bool] = False
    """whether it makes them by itself; elsewhere `make backup` does"""
    apart: ClassVar[bool] = False
    """whether PostgreSQL may be on a machine of its own"""
    elects: ClassVar[bool] = False
    """whether several machines have PostgreSQL, and elect the one that leads"""
    acme: ClassVar[bool] = False
    """whether an authority's certificate can be asked for"""
    image: ClassVar[bool] = False
    """whether its servers run in images, which have the locales that they were built with"""
    closes_egress: ClassVar[bool] = False
    """whether the web has a network of its own, which can be closed"""
    project_input: ClassVar[str] = "STACK_PROJECT"
    project_elsewhere: ClassVar[bool] = False
    """whether the project may be on another machine than the planner"""

    # The machine.
    units: ClassVar[bool] = False
    """whether systemd runs the servers, and the machine is the stack's to set up"""
    firewall: ClassVar[bool] = False
    redirects: ClassVar[bool] = False
    """whether it answers on the port of plain HTTP too"""
    instance_ports: ClassVar[Mapping[str, int]] = {}
    """loopback ports of the instances of Apache; with two, one takes over from the other"""
    keeps_copies: ClassVar[bool] = False
    """whether an instance of a server reads a copy of its own of what is configured"""
    apaches: ClassVar[int]
    """Apaches that share the threads there are"""
    shared: ClassVar[bool] = False
    """whether others listen on TCP where it runs"""
    several_poolers: ClassVar[bool] = False
    """whether several PgBouncers may share the pool of a host"""
    sees_processes: ClassVar[bool] = False
    """whether the stack's processes can be told from others"""
    confines: ClassVar[bool] = False
    """whether the web processes keep themselves from writing where other targets' cannot"""
    runs_prometheus: ClassVar[bool] = False
    """whether Debian's Prometheus may run beside it (STACK_OBSERVABILITY=full)"""
    observability_socket: ClassVar[str] = ""
    """where its container is asked for the page and by verify"""
    own_directory: ClassVar[bool] = False
    """whether all lies below one directory, which is the stack's account's and may hold nothing
    else"""
    makes_environment: ClassVar[bool] = False
    """whether its driver makes the virtual environment of the project"""

    # Remedies, for the ends of messages.
    remedy: ClassVar[str] = "Render and start again: `make down up`."
    start: ClassVar[str] = "make up"
    """what brings all of it into force, and may be run again"""
    advise: ClassVar[str] = "make advise"
    change: ClassVar[str] = (
        "make reload {}  (make up, where that is refused); later make advise CHECK=1"
    )
    """how an input is changed, and whether that has mended it"""
    no_project: ClassVar[str] = ""
    """where there is no manage.py, and none below"""
    try_strangers: ClassVar[str]
    """how verify becomes another account"""

    @abstractmethod
    def paths(self, location: Location, postgresql: int, /) -> Paths:
        """Where everything lies; `postgresql` is its major version."""

    @abstractmethod
    def accounts(self, location: Location, /) -> Accounts:
        """Which account runs what."""

    def observability_files(self, program: str) -> str:
        """Directory in which one of pgstack.planning.observability finds its files, where they
        run; `program` is its unit's name."""
        raise NotImplementedError(program)

    def input(self, field: str) -> str:
        """The name of an input on this target."""
        return f"STACK_{field.upper()}"

    def environment_file(self, plan: Plan) -> Path | None:
        """The file of variables for the project; None without one."""
        named = plan.project.environment if plan.project else ""
        return Path(named) if named else None


def machine_paths(names: Names, postgresql: int, **own: Any) -> Paths:
    """Debian's usual places, for targets that have a machine to themselves; `own` is what differs
    between them."""
    prefix = names.prefix
    root = f"/srv/{prefix}"
    home = "/var/lib/postgresql" if prefix == STACK else f"/var/lib/{prefix}-postgresql"
    media = f"/var/lib/{prefix}-media" if prefix == STACK else f"/var/lib/{prefix}/media"
    places: dict[str, Any] = {
        "root": root,
        "conf": f"/etc/{prefix}",
        "home_postgres": home,
        "data": f"{home}/{postgresql}/{names.cluster}",
        "valkey": f"/var/lib/{prefix}-valkey",
        "bodies": media,
        "log": f"/var/log/{prefix}",
        "access_log": f"/var/log/{prefix}/apache-access.log",
        "error_log": f"/var/log/{prefix}/apache-error.log",
        "drain": {},
        "static": f"{root}/static",
        "media": media,
        "cache": f"/var/cache/{prefix}",
        "schedule": f"/var/lib/{prefix}-schedule",
        "secrets": f"/etc/{prefix}-secrets",
        "tls": f"/etc/{prefix}-tls",
        "backup": "/etc/pgbackrest" if prefix == STACK else f"/etc/{prefix}-pgbackrest",
        "database": f"/etc/{prefix}-database",
        "code": f"{root}/app",
        "app": f"{root}/app",
        "venv": f"{root}/venv",
    }
    return Paths(**{**places, **_runtime_paths(f"/run/{prefix}"), **own})


def _runtime_paths(run: str) -> dict[str, str]:
    """Sockets, process ids and what else is gone after a boot."""
    return {
        "run": run,
        "run_postgres": f"{run}/postgres",
        "run_pooler": f"{run}/pooler",
        "run_pooler_own": f"{run}/pooler",
        "run_apache": f"{run}/apache",
        "run_workers": f"{run}/workers",
        "run_valkey": f"{run}/valkey",
        "run_metrics": f"{run}/metrics",
        "measures": f"{run}/measures",
        "streams": f"{run}/apache",
    }


def machine_accounts(names: Names, apache: str, secrets: str) -> Accounts:
    """An account for each server, and one for each thing that the project's code does."""
    own = names.accounts
    return Accounts(
        web=f"{own}app",
        apache=f"{own}{apache}",
        worker=f"{own}worker",
        deploy=f"{own}deploy",
        build=f"{own}build",
        postgres=f"{own}postgres",
        pooler=f"{own}pooler",
        valkey=f"{own}valkey",
        follower=f"{own}follower",
        metrics=f"{own}metrics",
        group=f"{own}sockets",
        secrets=f"{own}{secrets}",
        site=f"{own}site" if own else "",
    )
