"""Services that only a machine of the stack's own has: its units, who guards it, its backups, and a
cluster's.

Standard library only, as pgstack.planning.services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgstack.planning import packages
from pgstack.planning.service import MACHINE, Service

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

UNITS = "/etc/systemd/system"
OWN = f"{UNITS}/{{prefix}}"
"""begins the paths of the stack's own units"""

OF_ROWS = (
    "pgbackrest.conf",
    "stack-backup.service",
    "stack-backup-full.timer",
    "stack-backup-incr.timer",
    "stack-drill.service",
    "stack-drill.timer",
)
OF_FILES = ("stack-files.service", "stack-files-drill.service")
TIMERS_OF_FILES = ("stack-files.timer", "stack-files-drill.timer")
"""templates of backups"""


OF_CERTIFICATES = ("stack-certificates.timer", "stack-certificates.service")


def _not_for_host(plan: Plan) -> frozenset[str]:
    # A balancer has no certificate.
    return frozenset(OF_CERTIFICATES if "haproxy" in plan.services else ())


def _not_for_backup(plan: Plan) -> frozenset[str]:
    rows = () if plan.backup else OF_ROWS
    files = () if plan.file_backup else OF_FILES
    # Beside a database they follow what is done with it.
    timers = TIMERS_OF_FILES if plan.backup or not plan.file_backup else ()
    return frozenset((*rows, *files, *timers))


def _of_backup(plan: Plan) -> tuple[str, ...]:
    kept = plan.backup or plan.file_backup
    rows = ("pgbackrest",) if plan.backup else ()
    files = ("restic",) if plan.file_backup else ()
    return (*rows, *files, *(("openssh-client",) if kept and kept.kind == "sftp" else ()))


HOST = Service(
    MACHINE,
    without=_not_for_host,
    packages=lambda plan: (
        *packages.environment(plan.debian).values(),
        "acl",
        "ca-certificates",
        "logrotate",
        "procps",
        "sudo",
        "unattended-upgrades",
    ),
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
    lasting=("stack-etcd.service",),
    packages=lambda _: ("etcd-server", "etcd-client", "openssl"),
    masked=lambda _: ("etcd.service",),
    stop_signal="TERM",
)
PATRONI = Service(
    "patroni",
    files=("patroni.yml",),
    units={"stack-patroni.service": f"{OWN}-patroni.service"},
    lasting=("stack-patroni.service",),
    packages=lambda _: ("patroni", "python3-etcd", "python3-idna"),
    masked=lambda _: ("patroni.service",),
    stop_signal="TERM",
)
SILENCE = Service(
    "silence",
    units={"stack-silence.service": f"{OWN}-silence.service"},
    lasting=("stack-silence.service",),
    stop_signal="TERM",
)
"""ends the lease of a leader whose host is lost"""
FOLLOWER = Service(
    "follower",
    units={"stack-follower.service": f"{OWN}-follower.service"},
    lasting=("stack-follower.service",),
    stop_signal="TERM",
)
"""leads PgBouncer to the primary"""
HAPROXY = Service(
    "haproxy",
    files=("haproxy.cfg", "releases.acl"),
    plain=frozenset({"releases.acl"}),
    units={"stack-haproxy.service": f"{OWN}-haproxy.service"},
    lasting=("stack-haproxy.service",),
    packages=lambda _: ("haproxy",),
    masked=lambda _: ("haproxy.service",),
    stop_signal="USR1",  # it hands on what is open
)
KEEPALIVED = Service(
    "keepalived",
    files=("keepalived.conf",),
    units={"stack-keepalived.service": f"{OWN}-keepalived.service"},
    lasting=("stack-keepalived.service",),
    packages=lambda _: ("keepalived", "nftables"),  # that holds newcomers back in a handover
    masked=lambda _: ("keepalived.service",),
    stop_signal="TERM",  # it says so to the other
)
"""keeps the address that visitors come to at whichever balancer lives"""
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
    lasting=("sites-front.service",),
)
FIREWALL = Service(
    "firewall",
    units={
        "nftables.conf": "{rules}",
        "stack-firewall.service": f"{UNITS}/{{firewall}}",
    },
    role="firewall",
    packages=lambda plan: ("nftables",) if plan.firewall.enabled else (),
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
        "stack-files.timer": f"{OWN}-files.timer",
        "stack-files-drill.service": f"{OWN}-files-drill.service",
        "stack-files-drill.timer": f"{OWN}-files-drill.timer",
    },
    without=_not_for_backup,
    role="backup",
    packages=_of_backup,
)
