"""Inputs that say where the stack runs and how large it is."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pgstack.planning import names
from pgstack.planning.input_types import Bytes, Major, Release, declare
from pgstack.planning.packages import known
from pgstack.planning.plan import TargetName
from pgstack.planning.site_input import Sites


class MachineInputs(BaseModel):
    """Target, names and sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    target: TargetName = declare("local", "where the stack runs", "name", on="local compose")
    name: str = declare(
        names.STACK,
        "name of the site, where a host has several (docs/sites.md)",
        "name",
        on="host",
        pattern=names.PATTERN,
    )
    sites: Sites = declare(
        {},
        "all sites of the host with their weights, the same text for each (docs/sites.md)",
        "NAME:WEIGHT, comma-separated",
        on="host",
        unset="this one alone",
    )
    dir: Path = declare(Path(".stack"), "directory of the local target", "path", on="local")
    debian: Release | None = declare(
        None, f"Debian release, {known('or')}", "release", on="local host", unset="this machine's"
    )
    postgresql: Major | None = declare(
        None,
        "major version of PostgreSQL, where Debian was upgraded before it (docs/upgrades.md)",
        "version",
        on="host",
        unset="the Debian release's",
    )
    cores: int | None = declare(
        None, "cores the stack may use", "cores", unset="detected", ge=1, le=1024
    )
    memory: Bytes | None = declare(
        None, "memory the stack may use", "bytes", unset="detected", ge=1
    )
    processes: int | None = declare(
        None, "mod_wsgi daemon processes", "processes", unset="planned", ge=1, le=512
    )
    threads: int | None = declare(
        None, "request threads per process", "threads", unset="planned", ge=1, le=64
    )
    process_memory: Bytes | None = declare(
        None, "memory of one web process", "bytes", unset="planned", ge=1
    )
    web_hosts: int = declare(1, "web servers sharing the database", "hosts", ge=1, le=64)
    pool_size: int | None = declare(
        None, "PgBouncer's backends per pool", "connections", unset="planned", ge=1, le=2000
    )
    poolers: int | None = declare(
        None, "PgBouncers of a web host (docs/scale.md)", "processes", unset="planned", ge=1, le=64
    )
    direct_connections: int = declare(
        6, "connections past the pooler: migrate, probes, backups", "connections", ge=2, le=500
    )
    request_timeout: int = declare(
        30, "longest request; all other timeouts follow from it", "seconds", ge=6, le=3600
    )
