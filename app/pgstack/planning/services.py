"""The services of a stack: what each renders, and how it is started and stopped.

Which of them a host has, the plan says (`stack.services`); what is proven of them is in
pgstack.live.verify. Standard library only: the tools of Compose run under Debian's Python.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pgstack.planning.service import MACHINE, Service
from pgstack.planning.work_names import KILL_SECONDS, PREFIX, SCHEDULED

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

DAEMON = "(wsgi:stack)"
"""begins the title of mod_wsgi's daemon processes (display-name), which are Python and not
Apache"""
PROMETHEUS, ALERTMANAGER = "prometheus", "prometheus-alertmanager"
NODE_EXPORTER = "prometheus-node-exporter"
"""programs, called as Debian's packages and units are"""


PRIMARY = ("primary-1.ini", "primary-2.ini", "primary-3.ini")
"""what PgBouncer reads while a member of the cluster is the primary, in their order"""


def postgres_program(plan: Plan, name: str) -> str:
    """Path of one of PostgreSQL's programs."""
    return f"/usr/lib/postgresql/{plan.versions.postgresql}/bin/{name}"


def _not_for_pgbouncer(plan: Plan) -> frozenset[str]:
    # Where hosts are apart, userlist.txt holds a password and is not rendered.
    passwords = {"userlist.txt"} if plan.apart else set()
    members = set() if plan.cluster else set(PRIMARY)
    return frozenset(passwords | members | (set() if plan.pooler.peer_maps else {"ident.conf"}))


def _not_for_backup(plan: Plan) -> frozenset[str]:
    keeps_files = plan.backup and plan.backup.files
    return frozenset(() if keeps_files else ("stack-files.service", "stack-files-drill.service"))


def _not_for_metrics(plan: Plan) -> frozenset[str]:
    has_release = "apache" in plan.services  # whose command verify is
    verify = () if has_release else ("stack-verify.service", "stack-verify.timer")
    facts = () if plan.backup else ("stack-facts.service", "stack-facts.timer")
    return frozenset(verify + facts)


def _not_in_cluster(plan: Plan) -> frozenset[str]:
    return frozenset({"postgresql.conf"} if plan.cluster else ())


UNITS = "/etc/systemd/system"
OWN = f"{UNITS}/{{prefix}}"
"""begins the paths of the stack's own units"""
POSTGRES = Service(
    "postgres",
    files=("pgstack.conf", "pg_hba.conf", "pg_ident.conf", "roles.sql"),
    units={
        "postgresql.conf": f"{UNITS}/postgresql@{{postgresql}}-{{cluster}}.service.d/stack.conf"
    },
    without=_not_in_cluster,
    programs=("postgres",),
    configuration="pgstack.conf",
    command=lambda plan, file: (
        f"{postgres_program(plan, 'postgres')} -D {plan.paths.data} -c config_file={file}"
    ),
    stop_signal="INT",  # it ends sessions and checkpoints
)
PGBOUNCER = Service(
    "pgbouncer",
    files=("pgbouncer.ini", "hba.conf", "ident.conf", "userlist.txt", *PRIMARY),
    without=_not_for_pgbouncer,
    units={"stack-pgbouncer.service": f"{OWN}-pgbouncer@.service"},
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
    stop_signal="TERM",
)
OBSERVABILITY = Service(
    "observability",
    files=("prometheus.yml", "alerts.yml", "alertmanager.yml"),
    plain=frozenset({"alerts.yml"}),
    units={
        f"{name}.conf": f"{UNITS}/{name}.service.d/stack.conf"
        for name in (PROMETHEUS, ALERTMANAGER, NODE_EXPORTER)
    },
    role="observability",
    stop_signal="TERM",
)
"""Debian's own units, with drop-ins"""
HOST = Service(
    MACHINE,
    units={
        "sysctl.conf": "/etc/sysctl.d/60-stack.conf",
        "tmpfiles.conf": "/etc/tmpfiles.d/{prefix}.conf",
        "stack-venv.service": f"{OWN}-venv@.service",
        "stack-build.service": f"{OWN}-build@.service",
        "stack-renewed.path": f"{OWN}-renewed.path",
        "stack-renewed.service": f"{OWN}-renewed.service",
        "stack-certificates.timer": f"{OWN}-certificates.timer",
        "stack-certificates.service": f"{OWN}-certificates.service",
        "stack-watch.timer": f"{OWN}-watch.timer",
        "stack-watch.service": f"{OWN}-watch.service",
        "stack-upgraded.path": f"{OWN}-upgraded.path",
        "stack-upgraded.service": f"{OWN}-upgraded.service",
        "unattended-upgrades.conf": "/etc/apt/apt.conf.d/60stack-unattended-upgrades",
        "needrestart.conf": "/etc/needrestart/conf.d/60-stack.conf",
        "journald.conf": "/etc/systemd/journald.conf.d/60-stack.conf",
        "logrotate.timer": f"{UNITS}/logrotate.timer.d/stack.conf",
    },
)
ETCD = Service(
    "etcd",
    files=("etcd.yml",),
    units={"stack-etcd.service": f"{OWN}-etcd.service"},
    stop_signal="TERM",
)
PATRONI = Service(
    "patroni",
    files=("patroni.yml",),
    units={"stack-patroni.service": f"{OWN}-patroni.service"},
    stop_signal="TERM",
)
SILENCE = Service(
    "silence",
    units={"stack-silence.service": f"{OWN}-silence.service"},
    stop_signal="TERM",
)
"""ends the lease of a leader whose host is lost"""
FOLLOWER = Service(
    "follower",
    units={"stack-follower.service": f"{OWN}-follower.service"},
    stop_signal="TERM",
)
"""leads PgBouncer to the primary"""
FRONT_CONF = "/etc/sites-front"
"""of the Apache that answers for all sites of a host that has several"""
FRONT = Service(
    "front",
    units={
        "front.conf": f"{FRONT_CONF}/apache2.conf",
        "front-site.conf": "{conf}/front/site.conf",
        "sites-front.service": f"{UNITS}/sites-front@.service",
        "front-logrotate.conf": "/etc/logrotate.d/sites-front",
        "front-tmpfiles.conf": "/etc/tmpfiles.d/sites-front.conf",
    },
    role="front",
)
FIREWALL = Service(
    "firewall",
    units={
        "nftables.conf": "{rules}",
        "stack-firewall.service": f"{UNITS}/{{firewall}}",
    },
    role="firewall",
)
BACKUP = Service(
    "backup",
    units={
        "pgbackrest.conf": "{backup}/pgbackrest.conf",
        "stack-backup.service": f"{OWN}-backup@.service",
        "stack-backup-full.timer": f"{OWN}-backup-full.timer",
        "stack-backup-incr.timer": f"{OWN}-backup-incr.timer",
        "stack-drill.service": f"{OWN}-drill.service",
        "stack-drill.timer": f"{OWN}-drill.timer",
        "stack-files.service": f"{OWN}-files.service",
        "stack-files-drill.service": f"{OWN}-files-drill.service",
    },
    without=_not_for_backup,
    role="backup",
)
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
    HOST,
    FIREWALL,
    BACKUP,
)
"""In starting order."""


def of(plan: Plan) -> list[Service]:
    """The services that `plan` has."""
    return [
        *(service for service in SERVICES if service.name in plan.services),
        *workers(plan),
        *schedule(plan),
    ]


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
