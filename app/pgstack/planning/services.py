"""The services of a stack: what each renders, and how it is started and stopped.

Which of them a host has, the plan says (`stack.services`); what is proven of them is in
pgstack.live.verify. Standard library only: the tools of Compose run under Debian's Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pgstack.planning.host_services import (
    BACKUP,
    ETCD,
    FIREWALL,
    FOLLOWER,
    FRONT,
    HAPROXY,
    HOST,
    KEEPALIVED,
    OWN,
    PATRONI,
    SILENCE,
    UNITS,
)
from pgstack.planning.service import MACHINE, Service
from pgstack.planning.work_names import KILL_SECONDS, PREFIX, SCHEDULED

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

DAEMON = "(wsgi:stack)"
"""begins the title of mod_wsgi's daemon processes (display-name), which are Python and not
Apache"""
PROMETHEUS, ALERTMANAGER = "prometheus", "prometheus-alertmanager"
NODE_EXPORTER = "prometheus-node-exporter"
WATCHERS = (PROMETHEUS, ALERTMANAGER, NODE_EXPORTER)
"""programs, called as Debian's packages and units are"""


PRIMARY = ("primary-1.ini", "primary-2.ini", "primary-3.ini")
"""what PgBouncer reads while a member of the cluster is the primary, in their order"""
FURTHER = ("further-1.ini", "further-2.ini", "further-3.ini")
"""the same for those beside the first, which have no pools of lanes and workers"""
READS = ("replica-1.ini", "replica-2.ini", "replica-3.ini")
"""and while the alias `replica` leads to one"""


UPGRADE_SLOT = "stack_upgrade"
"""replication slot of the copy that a major upgrade is made of"""


def postgres_program(plan: Plan, name: str) -> str:
    """Path of one of PostgreSQL's programs."""
    return f"/usr/lib/postgresql/{plan.versions.postgresql}/bin/{name}"


def _not_for_pgbouncer(plan: Plan) -> frozenset[str]:
    # Where hosts are apart, userlist.txt holds a password and is not rendered.
    passwords = {"userlist.txt"} if plan.apart else set()
    count = len(plan.cluster.databases) if plan.cluster else 0
    members = {*PRIMARY[count:], *FURTHER[count:], *READS[count:]}
    further = set() if plan.pooler.further else {*FURTHER}
    reads = set() if plan.replicas else {*READS}
    maps = set() if plan.pooler.peer_maps else {"ident.conf"}
    return frozenset(passwords | members | further | reads | maps)


def _not_for_metrics(plan: Plan) -> frozenset[str]:
    has_release = "apache" in plan.services  # whose command verify is
    verify = () if has_release else ("stack-verify.service", "stack-verify.timer")
    kept = plan.backup or plan.file_backup
    facts = () if kept else ("stack-facts.service", "stack-facts.timer")
    return frozenset(verify + facts)


def _not_in_cluster(plan: Plan) -> frozenset[str]:
    return frozenset({"postgresql.conf"} if plan.cluster else ())


POSTGRES = Service(
    "postgres",
    files=("pgstack.conf", "pg_hba.conf", "pg_ident.conf", "roles.sql"),
    units={
        "postgresql.conf": f"{UNITS}/postgresql@{{postgresql}}-{{cluster}}.service.d/stack.conf"
    },
    without=_not_in_cluster,
    lasting=("postgresql.conf",),
    packages=lambda plan: (
        f"postgresql-{plan.versions.postgresql}",
        "openssl",
        *plan.packages.postgres,
    ),
    programs=("postgres",),
    configuration="pgstack.conf",
    command=lambda plan, file: (
        f"{postgres_program(plan, 'postgres')} -D {plan.paths.data} -c config_file={file}"
    ),
    stop_signal="INT",  # it ends sessions and checkpoints
)
PGBOUNCER = Service(
    "pgbouncer",
    files=("pgbouncer.ini", "hba.conf", "ident.conf", "userlist.txt", *PRIMARY, *FURTHER, *READS),
    without=_not_for_pgbouncer,
    units={"stack-pgbouncer.service": f"{OWN}-pgbouncer@.service"},
    lasting=("stack-pgbouncer.service",),
    packages=lambda plan: ("pgbouncer", f"postgresql-client-{plan.versions.postgresql}"),
    masked=lambda _: ("pgbouncer.service",),
    programs=("pgbouncer",),
    instances="pooler",
    configuration="pgbouncer.ini",
    command=lambda _, file: f"/usr/sbin/pgbouncer {file}",
    stop_signal="INT",  # it waits for transactions
)
APACHE = Service(
    "apache",
    files=("apache2.conf", "mpm.conf", "hardening.conf", "bodies.conf", "bodies.lua", "site.conf"),
    units={
        "stack-apache.service": f"{OWN}-apache@.service",
        "logrotate.conf": "/etc/logrotate.d/{prefix}",
    },
    lasting=("stack-apache.service",),
    packages=lambda plan: (
        "apache2-bin",
        "libapache2-mod-wsgi-py3",
        "media-types",
        "openssl",
        *plan.packages.web,
    ),
    programs=("apache2",),
    instances="apache",
    configuration="apache2.conf",
    command=lambda _, file: f"/usr/sbin/apache2 -DFOREGROUND -f {file}",
    stop_signal="WINCH",  # it answers what it has
)
VALKEY = Service(
    "valkey",
    files=("valkey.conf",),
    units={"stack-valkey.service": f"{OWN}-valkey.service"},
    lasting=("stack-valkey.service",),
    packages=lambda plan: (plan.versions.valkey,),
    masked=lambda plan: (f"{plan.versions.valkey}.service",),
    optional=True,
    # Each of these programs is a link to the one that looks at files.
    programs=("redis-check-rdb", "valkey-check-rdb", "valkey-server"),
    configuration="valkey.conf",
    command=lambda plan, file: f"{plan.valkey.program} {file}" if plan.valkey else "",
    stop_signal="TERM",  # it writes what it has
)
METRICS = Service(
    "metrics",
    units={
        "stack-metrics.service": f"{OWN}-metrics.service",
        "stack-facts.service": f"{OWN}-facts.service",
        "stack-facts.timer": f"{OWN}-facts.timer",
        "stack-verify.service": f"{OWN}-verify.service",
        "stack-verify.timer": f"{OWN}-verify.timer",
    },
    without=_not_for_metrics,
    lasting=("stack-metrics.service",),
    optional=True,
    noted=("/var/lib/{prefix}-facts",),
    stop_signal="TERM",
)
OBSERVABILITY = Service(
    "observability",
    files=("prometheus.yml", "alerts.yml", "alertmanager.yml"),
    plain=frozenset({"alerts.yml"}),
    units={f"{name}.conf": f"{UNITS}/{name}.service.d/stack.conf" for name in WATCHERS},
    role="observability",
    lasting=tuple(f"{name}.conf" for name in WATCHERS),
    packages=lambda _: WATCHERS,
    packages_last=True,
    optional=True,
    stop_signal="TERM",
)
"""Debian's own units, with drop-ins"""
SERVICES = (
    ETCD,
    POSTGRES,
    PATRONI,
    SILENCE,
    FOLLOWER,
    PGBOUNCER,
    VALKEY,
    APACHE,
    METRICS,
    OBSERVABILITY,
    FRONT,
    HAPROXY,
    KEEPALIVED,
    HOST,
    FIREWALL,
    BACKUP,
)
"""In starting order."""


def of(plan: Plan) -> list[Service]:
    """The services that `plan` has."""
    return [
        *(
            process
            for service in SERVICES
            if service.name in plan.services
            for process in (poolers(plan) if service is PGBOUNCER else (service,))
        ),
        *workers(plan),
        *schedule(plan),
    ]


def poolers(plan: Plan) -> list[Service]:
    """A service for each PgBouncer of a host: beside the first, which has the files that all of
    them read, each has a configuration of its own."""
    return [PGBOUNCER] + [
        replace(
            PGBOUNCER,
            name=process.name,
            like=PGBOUNCER.name,
            files=(f"{process.name}.ini",),
            source=PGBOUNCER.configuration,
            configuration=f"{process.name}.ini",
            units={"stack-pgbouncer.service": f"{OWN}-{process.name}@.service"},
            own=process,
        )
        for process in plan.pooler.further
    ]


def in_order(names: Iterable[str]) -> list[str]:
    """Those of `names` that are servers, in starting order, whatever plan had them."""
    order = {service.name: place for place, service in enumerate(SERVICES)}
    further = f"{PGBOUNCER.name}-"
    kinds = {name: PGBOUNCER.name if name.startswith(further) else name for name in names}
    return sorted(
        (name for name, kind in kinds.items() if kind in order),
        key=lambda name: (order[kinds[name]], len(name), name),
    )


def optional_programs(plan: Plan) -> dict[str, str]:
    """Program → package of the servers that inputs have switched on."""
    return {
        words[0]: service.packages(plan)[0]
        for service in of(plan)
        if service.optional and (words := service.words(plan))
    }


def workers(plan: Plan) -> list[Service]:
    """A service for each command of the project that runs beside pages. It becomes that command
    once its environment is the project's (pgstack.overlay.work)."""
    return [
        Service(
            f"{PREFIX}{worker.name}",
            units={"stack-worker.service": f"{OWN}-{PREFIX}{worker.name}@.service"},
            role="workers",
            command=partial(_work, name=worker.name),
            stop_signal=worker.stop_signal,
            stop_seconds=worker.grace,
            names=worker.programs,
            own=worker,
        )
        for worker in plan.workers
    ]


def schedule(plan: Plan) -> list[Service]:
    """A service for each command that systemd is to start at set times."""
    return [
        Service(
            f"{SCHEDULED}{entry.name}",
            units={
                f"stack-schedule.{kind}": f"{OWN}-{SCHEDULED}{entry.name}.{kind}"
                for kind in ("service", "timer")
            },
            role="schedule",
            stop_seconds=KILL_SECONDS,
            own=entry,
        )
        for entry in (plan.schedule if MACHINE in plan.services else ())
    ]


def _work(plan: Plan, _: str, name: str) -> str:
    return f"{plan.paths.venv}/bin/python -m pgstack.overlay.work {name}"


def place(plan: Plan, template: str) -> str:
    """Path of what a machine of the stack's own has, with the names that it has there."""
    return template.format(
        prefix=plan.names.prefix,
        cluster=plan.names.cluster,
        postgresql=plan.versions.postgresql,
        backup=plan.paths.backup,
        conf=plan.paths.conf,
        rules=plan.firewall.rules,
        firewall=plan.firewall.unit,
    )


def postgres_unit(plan: Plan) -> str:
    """Name of the unit that postgresql-common has for the stack's cluster, or of Patroni's."""
    if plan.cluster:
        return unit(plan, "patroni.service")
    return f"postgresql@{plan.versions.postgresql}-{plan.names.cluster}.service"


def unit(plan: Plan, name: str) -> str:
    """One of the stack's own, as systemd knows it."""
    return f"{plan.names.prefix}-{name}"


def unit_of(path: str) -> str:
    """Name of the unit that a file is, or a drop-in of."""
    place = PurePosixPath(path)
    return place.parent.name.removesuffix(".d") if place.suffix == ".conf" else place.name


def lasting_units(plan: Plan) -> list[str]:
    """Units that run all the time on a host, in starting order, without the project's own. Of one
    whose name ends in `@.service` instances take turns."""
    return [
        unit_of(place(plan, path))
        for service in of(plan)
        for template, path in service.units.items()
        if template in service.lasting and template not in service.without(plan)
    ]


def worker_units(plan: Plan) -> dict[str, list[str]]:
    """On a host: those of each worker, one for each of its processes."""
    return {
        worker.name: [
            unit(plan, f"{PREFIX}{worker.name}@{number}.service")
            for number in range(1, worker.processes + 1)
        ]
        for worker in plan.workers
    }


def servers(plan: Plan) -> dict[str, tuple[str, str]]:
    """Command line and stop signal of each server, in starting order."""
    return {
        service.name: (" ".join(words), service.stop_signal)
        for service in of(plan)
        if service.programs and (words := service.words(plan))
    }
