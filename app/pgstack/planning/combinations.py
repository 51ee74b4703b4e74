"""What inputs mean together: which of them need each other, and which do not go together."""

from __future__ import annotations

import re

from pgstack.planning import balancer_combinations, external_combinations, names, targets
from pgstack.planning.input_names import environment_name
from pgstack.planning.inputs import Inputs
from pgstack.planning.locales import refusal_in_containers

HTTPS = 443
OF_PROJECT = ("settings", "wsgi", "requirements", "commands", "build", "environment", "data")
"""inputs that say something of the project"""
OF_ALERTS = (
    "alert_mail",
    "alert_smtp",
    "alert_from",
    "alert_smtp_user",
    "alert_smtp_password_file",
    "alert_webhook_file",
    "alert_watchdog_file",
)
"""inputs that say who is notified of alerts"""

_FULL_NAME = re.compile(r"([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]+")


def _backups(inputs: Inputs) -> None:
    if inputs.backup == "sftp" and not targets.of(inputs.target).schedules_backups:
        raise ValueError(
            "STACK_BACKUP=sftp needs a host; `make backup` writes to a directory or a bucket"
        )
    if inputs.backup == "local" and not targets.of(inputs.target).schedules_backups:
        _require_backup_path(inputs)
    if inputs.backup == "s3" and None in (inputs.backup_host, inputs.backup_bucket):
        raise ValueError("STACK_BACKUP=s3 needs STACK_BACKUP_HOST and STACK_BACKUP_BUCKET")
    if inputs.backup == "sftp" and "@" not in (inputs.backup_host or ""):
        raise ValueError("STACK_BACKUP=sftp needs STACK_BACKUP_HOST, as account@host")
    if not inputs.backup_path.is_absolute() or re.search(
        r"[^A-Za-z0-9/._-]|/\.\.(/|$)", str(inputs.backup_path)
    ):
        raise ValueError(
            f"STACK_BACKUP_PATH={inputs.backup_path}: expected an absolute path of plain characters"
        )


def _require_backup_path(inputs: Inputs) -> None:
    if "backup_path" not in inputs.model_fields_set:
        raise ValueError("STACK_BACKUP=local needs STACK_BACKUP_PATH, a directory")


def _certificates(inputs: Inputs) -> None:
    files = (inputs.tls_certificate, inputs.tls_key)
    if inputs.tls == "files" and None in files:
        raise ValueError("STACK_TLS=files needs STACK_TLS_CERTIFICATE and STACK_TLS_KEY")
    if inputs.tls != "files" and files != (None, None):
        raise ValueError("STACK_TLS_CERTIFICATE and STACK_TLS_KEY need STACK_TLS=files")


def _egress(inputs: Inputs) -> None:
    if inputs.egress and not targets.of(inputs.target).closes_egress:
        raise ValueError(
            "STACK_EGRESS=closed needs STACK_TARGET=compose: elsewhere web has no network of "
            "its own"
        )


def _separate_hosts(inputs: Inputs) -> None:
    if inputs.database_host and not targets.of(inputs.target).apart:
        raise ValueError(
            "STACK_DATABASE_HOST: web hosts apart from the database are set up by Ansible only"
        )
    if inputs.web_addresses and not inputs.database_host:
        raise ValueError(
            "STACK_WEB_ADDRESSES needs STACK_DATABASE_HOST, which the certificate names"
        )


def _cluster(inputs: Inputs) -> None:
    if not inputs.members:
        if inputs.failover != "lease":
            raise ValueError(
                f"STACK_FAILOVER={inputs.failover} needs STACK_MEMBERS: one database host has "
                "nobody to take its place"
            )
        if inputs.watchdog != "off":
            raise ValueError(
                f"STACK_WATCHDOG={inputs.watchdog} needs STACK_MEMBERS: it is Patroni's, which one "
                "database host does not have"
            )
        if inputs.witness:
            raise ValueError(
                f"STACK_WITNESS={inputs.witness} needs STACK_MEMBERS: it is one of a cluster's"
            )
        return
    if not targets.of(inputs.target).elects or not inputs.database_host:
        raise ValueError("STACK_MEMBERS: a cluster is set up by Ansible only")
    if inputs.witness and inputs.witness not in inputs.members:
        raise ValueError(
            f"STACK_WITNESS={inputs.witness} is no name in STACK_MEMBERS. Name the one of "
            f"{', '.join(inputs.members)} that has no database"
        )
    if inputs.web_addresses and inputs.database_host not in inputs.members.values():
        raise ValueError(
            f"STACK_DATABASE_HOST={inputs.database_host} is no address in STACK_MEMBERS"
        )
    if inputs.wal_level != "replica":
        raise ValueError(
            f"STACK_WAL_LEVEL={inputs.wal_level}: a cluster is not upgraded by logical replication "
            "(docs/upgrades.md)"
        )
    if inputs.backup == "local":
        raise ValueError(
            "STACK_BACKUP=local: a directory of one member is not there once another leads, and "
            "each of them may. Use s3 or sftp, which all members reach, or leave it out "
            "(docs/cluster.md)"
        )


def _poolers(inputs: Inputs) -> None:
    if (inputs.poolers or 1) > 1 and not targets.of(inputs.target).several_poolers:
        raise ValueError(
            f"STACK_POOLERS={inputs.poolers}: the target {inputs.target} has one PgBouncer; "
            "several need the target local, or hosts. Leave it out (docs/scale.md)"
        )


def _proxy(inputs: Inputs) -> None:
    if inputs.proxy == "on" and inputs.tls != "off":
        raise ValueError(
            "STACK_PROXY=on needs STACK_TLS=off: either the proxy ends TLS or Apache does"
        )


def _locale(inputs: Inputs) -> None:
    if targets.of(inputs.target).image and (reason := refusal_in_containers(inputs.locale)):
        raise ValueError(reason)


def _hsts(inputs: Inputs) -> None:
    if inputs.hsts and (inputs.tls, inputs.proxy) == ("off", "off"):
        raise ValueError(f"STACK_HSTS={inputs.hsts} needs TLS: STACK_TLS, or STACK_PROXY=on")


def _project(inputs: Inputs) -> None:
    given = [name for name in OF_PROJECT if getattr(inputs, name)]
    if inputs.project is None and given:
        raise ValueError(
            f"{environment_name(given[0])} needs {targets.of(inputs.target).project_input}: "
            "the demo has its own"
        )


def _several(inputs: Inputs) -> None:
    if not inputs.sites:
        return
    listed = ", ".join(inputs.sites)
    if not targets.of(inputs.target).units or inputs.database_host or inputs.database_url:
        raise ValueError(
            "STACK_SITES needs a host with the database on it: elsewhere a stack has the "
            "machine to itself"
        )
    if inputs.name not in inputs.sites:
        raise ValueError(
            f"STACK_SITES names {listed}, and this site is {inputs.name}: add it, or set "
            "STACK_NAME to one of them"
        )
    if len(inputs.sites) == 1:
        return
    if names.STACK in inputs.sites:
        raise ValueError(
            f"STACK_SITES={listed}: {names.STACK} is a site that has its host to "
            "itself; give each of several a name of its own"
        )
    if inputs.tls not in ("self-signed", "files") or inputs.proxy == "on":
        raise ValueError(
            f"STACK_SITES={listed}: one Apache ends TLS for all of them, so STACK_TLS is files "
            "or self-signed, and STACK_PROXY off"
        )
    if inputs.port != HTTPS:
        raise ValueError(f"STACK_PORT={inputs.port}: several sites share port {HTTPS}; set that")
    if inputs.web_hosts > 1:
        raise ValueError("STACK_WEB_HOSTS needs a host with one site: leave STACK_SITES out")


def _named(inputs: Inputs) -> None:
    if inputs.name == names.STACK:
        return
    if not targets.of(inputs.target).units:
        raise ValueError(f"STACK_NAME={inputs.name} needs a host: elsewhere a stack has no name")
    if inputs.database_host or inputs.database_url:
        raise ValueError(
            f"STACK_NAME={inputs.name} needs the database on the same host: separate web hosts "
            "serve one site only. Leave STACK_NAME out"
        )


def _valkey(inputs: Inputs) -> None:
    if inputs.valkey == "off":
        if inputs.valkey_memory:
            raise ValueError("STACK_VALKEY_MEMORY needs STACK_VALKEY=on")
    elif inputs.web_hosts > 1:
        raise ValueError(
            "STACK_VALKEY=on needs one web host: each of several would have a cache and queues "
            "of its own, and a task would stay on the host of the page that asked for it. Run "
            "one server for all and name it in STACK_ENVIRONMENT"
        )


def _observability(inputs: Inputs) -> None:
    if inputs.observability == "full":
        _full(inputs)
    elif given := [name for name in OF_ALERTS if getattr(inputs, name)]:
        raise ValueError(f"{environment_name(given[0])} needs STACK_OBSERVABILITY=full")
    if not inputs.metrics_port:
        return
    if inputs.observability == "off":
        raise ValueError("STACK_METRICS_PORT needs STACK_OBSERVABILITY=basic: there is no exporter")
    if inputs.metrics_port == inputs.port:
        raise ValueError(f"STACK_METRICS_PORT={inputs.metrics_port} is STACK_PORT; choose another")


def _full(inputs: Inputs) -> None:
    full = "STACK_OBSERVABILITY=full"
    if not targets.of(inputs.target).runs_prometheus:
        raise ValueError(
            f"{full} needs a host or Compose: the local target installs nothing and keeps "
            "nothing running once it is down. `make page` shows an hour without Prometheus"
        )
    if len(inputs.sites) > 1:
        raise ValueError(
            f"{full} needs a host with one site: the machine has one Prometheus, and every account "
            "may query it. Run one elsewhere for all of them"
        )
    if inputs.metrics_port == 0:
        raise ValueError(f"{full} needs STACK_METRICS_PORT: Prometheus cannot scrape a socket")
    _require_each_other(inputs, "alert_mail", "alert_smtp")
    _require_each_other(inputs, "alert_smtp_user", "alert_smtp_password_file")
    for name in ("alert_from", "alert_smtp_user"):
        if getattr(inputs, name) and not inputs.alert_mail:
            raise ValueError(f"{environment_name(name)} needs STACK_ALERT_MAIL")


def _require_each_other(inputs: Inputs, *names: str) -> None:
    given = [name for name in names if getattr(inputs, name)]
    if given and (missing := [name for name in names if name not in given]):
        raise ValueError(f"{environment_name(given[0])} needs {environment_name(missing[0])}")


def _schedule(inputs: Inputs) -> None:
    names = {worker.name for worker in inputs.workers}
    if both := [entry.name for entry in inputs.schedule if entry.name in names]:
        raise ValueError(
            f"STACK_SCHEDULE: {both[0]} is the name of a worker too; give one of them another"
        )


def _acme(inputs: Inputs) -> None:
    if inputs.tls != "acme":
        return
    if not targets.of(inputs.target).acme or inputs.port != 443:
        raise ValueError(
            "STACK_TLS=acme needs a host and STACK_PORT=443: the authority asks ports 80 and 443"
        )
    if inputs.acme_email is None:
        raise ValueError("STACK_TLS=acme needs STACK_ACME_EMAIL")
    odd = [name for name in inputs.hosts if _FULL_NAME.fullmatch(name) is None]
    if odd:
        raise ValueError(
            f"STACK_HOSTS: {odd[0]}: an authority certifies full names only with STACK_TLS=acme"
        )


RULES = (
    _cluster,
    _backups,
    _certificates,
    _acme,
    _named,
    _several,
    _egress,
    _separate_hosts,
    _poolers,
    balancer_combinations.require,
    _proxy,
    external_combinations.require,
    _valkey,
    _observability,
    _schedule,
    _locale,
    _hsts,
    _project,
)
"""in order: only the first that is broken is reported"""


def require(inputs: Inputs) -> None:
    """Raise ValueError unless they go together, saying what is missing or in the way."""
    for rule in RULES:
        rule(inputs)
