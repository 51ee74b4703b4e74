"""A plan for a given scale, put together from what each server is sized to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgstack.planning import host_services, layout, names, services
from pgstack.planning.apache import Apache, Firewall, Web
from pgstack.planning.background import Background, Entry, Worker
from pgstack.planning.balancing import Balancing
from pgstack.planning.cluster import Cluster
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import Backup, FileBackup, Pooler, Postgres, Roles
from pgstack.planning.hardware import Hardware
from pgstack.planning.lanes import Lane, all_requests, backends_beside
from pgstack.planning.metrics import Metrics
from pgstack.planning.observability import Observability
from pgstack.planning.places import Share
from pgstack.planning.plan import Memory, Plan
from pgstack.planning.replicas import Replicas
from pgstack.planning.sizing import (
    backup,
    balancing,
    cluster,
    lanes,
    metrics,
    observability,
    pooler,
    postgres,
    replicas,
    site,
    sites,
    valkey,
    web,
    workers,
)
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB, Scale
from pgstack.planning.valkey import Valkey

SYSTEM_BYTES = 64 * MB
"""Debian without a desktop, and supervisord (docs/measurements.md)"""
SYSTEM_DIVISOR = 16
"""the kernel's part of memory: page tables of shared_buffers above all, which without huge pages
take a 512th of it for each backend"""


@dataclass(frozen=True)
class Servers:
    """What is sized, and how its numbers came about."""

    web: Web
    lanes: tuple[Lane, ...]
    replicas: Replicas | None
    apache: Apache
    workers: tuple[Worker, ...]
    schedule: tuple[Entry, ...]
    background: Background | None
    pooler: Pooler
    valkey: Valkey | None
    postgres: Postgres
    cluster: Cluster | None
    balancing: Balancing | None
    backup: Backup | None
    file_backup: FileBackup | None
    metrics: Metrics | None
    observability: Observability | None
    arithmetic: Reasons


def assemble(
    public: StackConfig,
    hardware: Hardware,
    debian: int,
    scale: Scale,
    share: Share | None = None,
) -> Plan:
    """The plan for this scale, sound or not. `public` is what the site is seen with from outside.

    Raises InputError where the release cannot do what is wanted.
    """
    config = sites.behind_front(public)
    basis = _basis(config, hardware, debian, scale)
    servers = _servers(basis)
    firewall = site.firewall(public, hardware, basis.paths)
    return Plan(
        **_machine(basis, debian),
        services=_services(basis, servers, firewall, front=sites.has_front(public)),
        names=names.of(config.name),
        site=site.site(config, basis.paths.tls, site.instance_ports(config)),
        front=site.front(public),
        share=share,
        firewall=firewall,
        project=layout.project(config),
        packages=layout.packages(config, debian),
        web=servers.web,
        lanes=servers.lanes,
        replicas=servers.replicas,
        apache=servers.apache,
        pooler=servers.pooler,
        postgres=servers.postgres,
        cluster=servers.cluster,
        balancing=servers.balancing,
        external=postgres.external(basis),
        backup=servers.backup,
        file_backup=servers.file_backup,
        workers=servers.workers,
        schedule=servers.schedule,
        background=servers.background,
        valkey=servers.valkey,
        metrics=servers.metrics,
        observability=servers.observability,
        memory=_memory(basis, servers),
        arithmetic=servers.arithmetic,
    )


def _machine(basis: Basis, debian: int) -> dict[str, Any]:
    """Fields of the plan that tell where it runs, and as whom."""
    return {
        "target": basis.config.target,
        "part": basis.config.part.name,
        "apart": basis.config.part.apart,
        "debian": debian,
        "cores": basis.scale.available,
        "open_files": basis.hardware.open_files,
        "max_threads": basis.hardware.max_threads,
        "versions": basis.versions,
        "paths": basis.paths,
        "accounts": basis.accounts,
        "roles": basis.roles,
    }


def _basis(config: StackConfig, hardware: Hardware, debian: int, scale: Scale) -> Basis:
    versions = layout.versions(config, debian)
    return Basis(
        config=config,
        hardware=hardware,
        scale=scale,
        versions=versions,
        paths=layout.paths(config, versions),
        accounts=layout.accounts(config),
        roles=Roles(),
    )


def _servers(basis: Basis) -> Servers:
    daemons, of_daemons = web.web(basis)
    own, of_lanes = lanes.lanes(basis, daemons)
    apache, of_apache = web.apache(basis, daemons, own)
    programs, entries = workers.workers(basis), workers.schedule(basis)
    background, of_background = workers.background(basis, programs, entries)
    reads, of_reads = replicas.replicas(basis)
    pool, of_pool = pooler.pooler(basis, daemons, own, background, reads)
    others = backends_beside(own, background, reads)
    cache, of_cache = valkey.valkey(basis, pool, daemons.patience)
    database, of_database = postgres.postgres(basis, pool, others, background)
    members, of_members = cluster.cluster(basis, pool, database)
    balancers, of_balancers = balancing.balancing(basis)
    backups, of_backups = backup.backup(basis, database)
    file_backups, of_files = backup.file_backup(basis)
    exporter, of_exporter = metrics.metrics(basis)
    prometheus, of_prometheus = observability.observability(basis)
    return Servers(
        web=daemons,
        lanes=own,
        replicas=reads,
        apache=apache,
        workers=programs,
        schedule=entries,
        background=background,
        pooler=pool,
        valkey=cache,
        postgres=database,
        cluster=members,
        balancing=balancers,
        backup=backups,
        file_backup=file_backups,
        metrics=exporter,
        observability=prometheus,
        arithmetic=of_daemons
        | of_lanes
        | of_apache
        | of_reads
        | of_pool
        | of_background
        | of_cache
        | of_database
        | of_members
        | of_balancers
        | of_backups
        | of_files
        | of_exporter
        | of_prometheus,
    )


def _services(
    basis: Basis, servers: Servers, firewall: Firewall, *, front: bool
) -> tuple[str, ...]:
    """What the host runs, in starting order."""
    optional = {
        services.VALKEY: servers.valkey is not None,
        services.METRICS: servers.metrics is not None,
        services.OBSERVABILITY: servers.observability is not None,
        host_services.HOST: basis.target.units,
        host_services.FIREWALL: firewall.enabled,
        host_services.BACKUP: bool(servers.backup or servers.file_backup),
        host_services.FRONT: front,
    }
    asked = [service.name for service, there in optional.items() if there]
    wanted = {*basis.config.part.services, *asked}
    return tuple(service.name for service in services.SERVICES if service.name in wanted)


def _memory(basis: Basis, servers: Servers) -> Memory:
    """The shares of what this host runs, in bytes; 0 for what runs on another."""
    memory, takes_over = basis.scale.memory, bool(basis.target.instance_ports)
    requests = all_requests(servers.web, servers.lanes)
    others = backends_beside(servers.lanes, servers.background, servers.replicas)
    sizes = {
        "apache": {
            "web": web.web_bytes(servers.web),
            "lanes": lanes.lanes_bytes(servers.lanes),
            "apache": web.apache_bytes(requests, memory, takes_over=takes_over),
            "workers": workers.workers_bytes(servers.workers, servers.schedule),
            "valkey": valkey.valkey_bytes(servers.valkey),
        },
        "pgbouncer": {"pooler": pooler.pooler_bytes(servers.pooler)},
        "postgres": postgres.postgres_bytes(basis, servers.pooler, others),
    }
    return Memory(
        total=memory,
        system=SYSTEM_BYTES + memory // SYSTEM_DIVISOR,
        metrics=metrics.metrics_bytes(servers.metrics),
        cluster=cluster.bytes_of(basis.config.part.services),
        balancing=balancing.balancing_bytes(servers.balancing),
        observability=observability.observability_bytes(servers.observability),
        **{
            name: size if service in basis.config.part.services else 0
            for service, shares in sizes.items()
            for name, size in shares.items()
        },
    )
