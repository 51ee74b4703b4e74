"""The plan: every number, name and path of one stack. Safe to print: it holds no secret."""

from __future__ import annotations

from typing import Literal

from pgstack.planning.apache import Apache, Firewall, Project, Site, Web
from pgstack.planning.background import Background, Entry, Worker
from pgstack.planning.balancing import Balancing
from pgstack.planning.cluster import Cluster
from pgstack.planning.databases import Backup, External, FileBackup, Pooler, Postgres, Roles
from pgstack.planning.lanes import Lane, all_requests, backends_beside
from pgstack.planning.metrics import Metrics
from pgstack.planning.observability import Observability
from pgstack.planning.part import Part
from pgstack.planning.places import Accounts, Names, Packages, Paths, Share, Versions
from pgstack.planning.replicas import Replicas
from pgstack.planning.valkey import Valkey

TargetName = Literal["local", "compose", "host", "cluster"]


class Memory(Part):
    """Shares of memory, in bytes; their sum may not exceed `total`."""

    total: int
    system: int
    web: int
    lanes: int
    """web processes of lanes"""
    apache: int
    pooler: int
    postgres: int
    """PostgreSQL's own processes and its shared memory beside the buffers"""
    shared_buffers: int
    backends: int
    """private memory of backends and parallel workers, without `work`"""
    work: int
    """work_mem of all of them"""
    maintenance: int
    """maintenance_work_mem, and autovacuum_work_mem of all workers"""
    workers: int
    """the project's own, with what runs at set times"""
    valkey: int
    """Valkey, also while it rewrites its file"""
    metrics: int
    """the exporter"""
    cluster: int
    """etcd and Patroni"""
    balancing: int
    """HAProxy and keepalived"""
    observability: int
    """Prometheus, Alertmanager and the node exporter"""

    def shares(self) -> dict[str, int]:
        """The shares by name, in bytes."""
        return {name: value for name, value in self.model_dump().items() if name != "total"}


class Plan(Part):
    """One stack. Templates see it as `stack`; everything that runs reads it from plan.json."""

    target: TargetName
    part: Literal["all", "web", "database", "witness", "balancer"]
    """what this host runs: everything, Apache with PgBouncer, PostgreSQL, etcd alone, or what is in
    front of web hosts"""
    apart: bool
    """whether the web and PostgreSQL are on hosts of their own"""
    services: tuple[str, ...]
    """what this host runs, by name (pgstack.planning.services)"""
    names: Names
    debian: int
    cores: int
    open_files: int | None
    max_threads: int | None
    """threads that there may be at a time where it runs"""
    versions: Versions
    paths: Paths
    accounts: Accounts
    roles: Roles
    site: Site
    front: Site | None
    """what the Apache in front of several sites answers for this one; None: it answers itself"""
    share: Share | None
    """None: the machine is this stack's alone"""
    firewall: Firewall
    project: Project | None
    """None: the demo"""
    packages: Packages
    web: Web
    lanes: tuple[Lane, ...]
    """pages with processes and a pool of their own; `web` has all others"""
    replicas: Replicas | None
    """None: there is no alias `replica`"""
    apache: Apache
    pooler: Pooler
    postgres: Postgres
    cluster: Cluster | None
    """None: PostgreSQL is on one machine"""
    balancing: Balancing | None
    """None: visitors come to this host itself"""
    external: External | None
    """None: PostgreSQL is the stack's own"""
    backup: Backup | None
    file_backup: FileBackup | None
    """None: there are none"""
    workers: tuple[Worker, ...]
    """the project's commands that run beside pages"""
    schedule: tuple[Entry, ...]
    """those that run at set times"""
    background: Background | None
    """None: there are neither"""
    valkey: Valkey | None
    """None: there is no cache and no broker"""
    metrics: Metrics | None
    """None: nothing is measured"""
    observability: Observability | None
    """None: no Prometheus is wanted"""
    memory: Memory
    arithmetic: dict[str, str]
    """how each number came about, by its dotted name"""

    @property
    def pooled_connections(self) -> int:
        """Backends that all PgBouncers together may open."""
        return (self.pooler.max_db_connections + self.other_backends) * self.pooler.instances

    @property
    def other_backends(self) -> int:
        """Backends that one PgBouncer may open beside those of the pages' pool."""
        return backends_beside(self.lanes, self.background, self.replicas)

    @property
    def page_databases(self) -> tuple[str, ...]:
        """Databases at PgBouncer that pages work with."""
        reads = (self.replicas.database,) if self.replicas else ()
        return (self.postgres.database, *(lane.database for lane in self.lanes), *reads)

    @property
    def requests(self) -> int:
        """Requests that one web host works on at a time, in all lanes."""
        return all_requests(self.web, self.lanes)

    @property
    def commands(self) -> tuple[Worker | Entry, ...]:
        """All of the project's that run beside pages."""
        return (*self.workers, *self.schedule)

    @property
    def takes_over(self) -> bool:
        """Whether an instance of a server is replaced by another that runs beside it meanwhile."""
        return bool(self.site.instance_ports)
