"""The services that stackctl changes, in starting order: what brings each into force, what
`stackctl status` says of it, and which of its files an upgrade has replaced."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pgstack.planning import services
from pgstack.planning.service import MACHINE

from . import (
    apache,
    database,
    etcd,
    following,
    front,
    haproxy,
    keepalived,
    metrics,
    observability,
    pgbouncer,
    processes,
    repository,
    schedule,
    status,
    system,
    valkey,
    watching,
    workers,
)
from .line import Line
from .stack import Stack


@dataclass(frozen=True)
class Server:
    """What is done with one service."""

    apply: Callable[..., str]
    """brings what is wanted into force, or with `again` replaces its processes"""
    part_of: str = ""
    """which server is on a host that may have it, or had it: what takes it away is asked too"""
    line: Callable[[Stack], Line] | None = None
    """how it does; None: others tell"""
    outdated: Callable[[Stack], list[str]] | None = None
    """files that it runs and that are gone; None: its package restarts it"""

    def may_be_on(self, stack: Stack, name: str) -> bool:
        """Whether this host has it, or had it."""
        return (self.part_of or name) in stack.services


def _gone(unit: str) -> list[str]:
    return processes.gone(system.main_process(unit))


def _pgbouncer(stack: Stack) -> list[str]:
    instance = pgbouncer.serving(stack)
    units = pgbouncer.units(stack, instance) if instance else []
    return [path for unit in units for path in _gone(unit)]


def _apache(stack: Stack) -> list[str]:
    instance = apache.serving(stack)
    return _gone(apache.unit(stack, instance)) if instance else []


def _front(stack: Stack) -> list[str]:
    instance = front.serving() if stack.front else None
    return _gone(front.unit(instance)) if instance else []


def _unit(name: str, apply: Callable[..., str], trouble: Callable[[Stack, float], str]) -> Server:
    """A service that is one unit of the stack's own."""

    def outdated(stack: Stack) -> list[str]:
        unit = services.unit(stack, f"{name}.service")
        runs = name in stack.services and system.active(unit)
        return _gone(unit) if runs else []

    line = partial(status.of_unit, name=name, trouble=trouble)
    return Server(apply, line=line, outdated=outdated)


SERVERS = {
    "etcd": Server(etcd.apply),
    "postgres": Server(database.apply, line=status.of_postgres),
    "silence": Server(watching.apply, part_of="etcd"),
    "follower": Server(following.apply),
    "pgbouncer": Server(pgbouncer.apply, line=status.of_pgbouncer, outdated=_pgbouncer),
    "valkey": _unit("valkey", valkey.apply, valkey.trouble),
    "apache": Server(apache.apply, line=status.of_apache, outdated=_apache),
    "front": Server(front.apply, part_of="apache", line=status.of_front, outdated=_front),
    "haproxy": _unit("haproxy", haproxy.apply, haproxy.trouble),
    "keepalived": Server(keepalived.apply, line=keepalived.line, outdated=keepalived.outdated),
    "workers": Server(workers.apply, part_of="apache", outdated=workers.outdated),
    "schedule": Server(schedule.apply, part_of="apache"),
    "backup": Server(repository.apply, part_of=MACHINE),
    "metrics": _unit("metrics", metrics.apply, metrics.trouble),
    "observability": Server(observability.apply, line=status.of_observability),
}


def report(stack: Stack) -> list[Line]:
    """A line for each server of this host, and for PostgreSQL also where it is on another.

    All are asked at once, so none waits for another.
    """
    elsewhere = "" if "haproxy" in stack.services else "postgres"
    asked = [
        server.line
        for name, server in SERVERS.items()
        if server.line and (name in stack.services or name == elsewhere)
    ]
    with ThreadPoolExecutor(len(asked)) as threads:
        return list(threads.map(lambda ask: ask(stack), asked))
