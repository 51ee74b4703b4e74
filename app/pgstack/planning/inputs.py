"""Every input of the stack, once: type, unit, default, meaning and what is refused by itself.

What they mean together is in `combinations`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pgstack.planning import names
from pgstack.planning.database_url import ExternalDatabase
from pgstack.planning.input_types import (
    LOGIN,
    MAIL,
    MODULE,
    Address,
    Builds,
    Bytes,
    Commands,
    Extensions,
    Hosts,
    Locale,
    Names,
    Networks,
    Packages,
    Release,
    declare,
)
from pgstack.planning.members_input import Members
from pgstack.planning.packages import known
from pgstack.planning.plan import TargetName
from pgstack.planning.schedule_input import Schedule
from pgstack.planning.site_input import Sites
from pgstack.planning.worker_input import Workers


class Inputs(BaseModel):
    """The inputs. None means "let the planner decide"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    direct_connections: int = declare(
        6, "connections past the pooler: migrate, probes, backups", "connections", ge=2, le=500
    )
    request_timeout: int = declare(
        30, "longest request; all other timeouts follow from it", "seconds", ge=6, le=3600
    )
    project: Path | None = declare(None, "directory of your project", "path", unset="the demo")
    settings: str | None = declare(
        None,
        "settings module of the project",
        "module",
        unset="what `manage.py` names",
        pattern=MODULE,
    )
    wsgi: str | None = declare(
        None,
        "module of the project's WSGI application",
        "module",
        unset="what its settings name",
        pattern=MODULE,
    )
    requirements: str | None = declare(
        None,
        "requirements file, within the project",
        "path",
        unset="that of its packaging tool",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$",
    )
    commands: Commands = declare(
        (), "the project's management commands after migrate", "commands, ;-separated"
    )
    build: Builds = declare(
        (),
        "the project's build commands, run before it serves, without the database",
        "commands, ;-separated",
    )
    environment: Path | None = declare(
        None, "file of variables for the project, NAME=value lines", "path"
    )
    data: Names = declare(
        (),
        "variables that name directories which the project's pages may write into",
        "names, comma-separated",
    )
    packages: Packages = declare(
        (), "Debian packages that the project needs", "names, comma-separated"
    )
    workers: Workers = declare(
        (),
        "commands that run beside pages, with a pool of their own (docs/workers.md)",
        "NAME=COMMAND, ;-separated",
    )
    valkey: Literal["on", "off"] = declare(
        "off",
        "whether Valkey (Debian 12: Redis) runs as cache and broker (docs/cache.md)",
        "name",
    )
    valkey_memory: Bytes | None = declare(
        None,
        "memory for cache and queues (maxmemory)",
        "bytes",
        unset="planned",
        ge=4 * 1024**2,
    )
    observability: Literal["basic", "full", "off"] | None = declare(
        None,
        "whether an exporter says how the stack fares, and with full whether Prometheus keeps "
        "that and tells of alerts (docs/observability.md)",
        "name",
        unset="`basic`",
    )
    metrics_port: int | None = declare(
        None,
        "loopback port of the exporter; 0: on its socket alone (docs/observability.md)",
        "port",
        on="host",
        unset="8400; 0 on a host with several sites",
        ge=0,
        le=65535,
    )
    alert_mail: str | None = declare(
        None,
        "whom alerts are mailed to, with observability=full",
        "e-mail addresses, comma-separated",
        on="compose host",
        pattern=f"^{MAIL}(, ?{MAIL})*$",
    )
    alert_smtp: str | None = declare(
        None,
        "server that takes this mail; it has to speak TLS unless it is on this machine",
        "host:port",
        on="compose host",
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$",
    )
    alert_from: str | None = declare(
        None,
        "sender of this mail",
        "e-mail address",
        on="compose host",
        unset="`stack@` and the first of the host names",
        pattern=f"^{MAIL}$",
    )
    alert_smtp_user: str | None = declare(
        None,
        "login at that server",
        "name",
        on="compose host",
        pattern=r"^[^\s\"'\\]+$",
    )
    alert_smtp_password_file: Path | None = declare(
        None,
        "file whose first line is the password of that login; on a host a file there",
        "path",
        on="compose host",
    )
    alert_webhook_file: Path | None = declare(
        None,
        "file whose first line is the URL that alerts are posted to (Alertmanager's JSON); on a "
        "host a file there",
        "path",
        on="compose host",
    )
    alert_watchdog_file: Path | None = declare(
        None,
        "file whose first line is the URL of a receiver outside that calls when nothing comes "
        "any more (docs/alerts.md); on a host a file there",
        "path",
        on="compose host",
    )
    schedule: Schedule = declare(
        (),
        "commands that run at set times, beside pages (docs/schedule.md)",
        "NAME=WHEN COMMAND, ;-separated",
    )
    locale: Locale = declare(
        "C.UTF-8",
        "sort order of the database: C.UTF-8, icu:de-DE and the like, or a locale of the machine",
        "name",
    )
    extensions: Extensions = declare(
        (),
        "extensions of PostgreSQL, with their packages (docs/extensions.md)",
        "names, comma-separated",
    )
    port: int = declare(8000, "port Apache listens on", "port", ge=1, le=65535)
    address: Address = declare(
        "127.0.0.1", "address Apache listens on; * for all", "address", on="local host"
    )
    hosts: Hosts = declare(
        ("localhost", "127.0.0.1", "[::1]"),
        "host names the site answers to",
        "names, comma-separated",
        min_length=1,
    )
    tls: Literal["off", "self-signed", "files", "acme"] = declare(
        "off", "TLS with HTTP/2 on the port; acme on a host only", "name"
    )
    tls_certificate: Path | None = declare(None, "certificate chain (PEM) for tls=files", "path")
    tls_key: Path | None = declare(None, "private key (PEM) for tls=files", "path")
    hsts: int = declare(
        0,
        "how long browsers insist on TLS (HSTS); 0: no header is sent",
        "seconds",
        ge=0,
        le=2 * 365 * 24 * 3600,
    )
    access_log: Literal["json", "combined"] = declare(
        "json", "format of the access log (docs/logs.md)", "name"
    )
    acme_email: str | None = declare(
        None,
        "address that the authority writes to, for tls=acme",
        "e-mail address",
        on="host",
        pattern=f"^{MAIL}$",
    )
    acme_directory: str = declare(
        "https://acme-v02.api.letsencrypt.org/directory",
        "directory of the authority, for tls=acme",
        "URL",
        on="host",
        pattern=r"^https://[!#-~]+$",
    )
    proxy: Literal["on", "off"] = declare(
        "off", "whether a proxy in front ends TLS and sets X-Forwarded-Proto", "name"
    )
    proxy_addresses: Networks = declare(
        (),
        "addresses or networks of proxies in front, whose X-Forwarded-For says who the visitor is",
        "addresses, comma-separated",
    )
    upload_limit: Bytes = declare(
        10 * 1024**2, "largest body of a request", "bytes", ge=64 * 1024, le=64 * 1024**3
    )
    egress: Literal["closed"] | None = declare(
        None,
        "outgoing connections of the web container",
        "name",
        on="compose",
        unset="open",
    )
    firewall: Literal["on", "off"] = declare(
        "on", "whether a host drops what is not for SSH or the site", "name", on="host"
    )
    database_host: str | None = declare(
        None,
        "name or address of the database host, where web hosts are separate",
        "name",
        on="host",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$",
    )
    web_addresses: Networks | None = declare(
        None,
        "addresses or networks that the web hosts connect from; on the database host",
        "addresses, comma-separated",
        on="host",
        min_length=1,
    )
    members: Members = declare(
        {},
        "addresses of the three database hosts of a cluster (docs/cluster.md)",
        "NAME:ADDRESS, comma-separated",
        on="host",
        unset="no cluster",
    )
    database_url: ExternalDatabase | None = declare(
        None,
        "a PostgreSQL that is somebody else's (docs/external-postgresql.md)",
        "URL without a password",
        on="local compose host",
        unset="the stack's own",
    )
    database_password_file: Path | None = declare(
        None,
        "file whose first line is the password of the login in the URL; on a host a file there",
        "path",
        on="local compose host",
    )
    database_authority: Path | None = declare(
        None,
        "PEM file of the authority that signed its certificate; on a host a file there",
        "path",
        on="local compose host",
        unset="sslrootcert in the URL",
    )
    account: str | None = declare(
        None,
        "account the local target runs as",
        "account",
        on="local",
        unset="you; for root the checkout's owner, else `pgstack`",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
    )

    backup: Literal["off", "local", "sftp", "s3"] | None = declare(
        None,
        "where backups are kept: a host makes them on a schedule, `make backup` elsewhere",
        "name",
        unset="`local` on a host, else `off`",
        on="local compose host",
    )
    backup_path: Path = declare(
        Path("/var/lib/pgbackrest"),
        "directory of the backups: here, on the other host, or in the bucket",
        "path",
        on="local compose host",
    )
    backup_host: str | None = declare(
        None,
        "sftp: account@host of the other host; s3: host of the endpoint",
        "name",
        pattern=f"^{LOGIN}$",
        on="local compose host",
    )
    backup_bucket: str | None = declare(
        None,
        "bucket of backup=s3",
        "name",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        on="local compose host",
    )
    backup_region: str = declare(
        "us-east-1",
        "region of backup=s3",
        "name",
        pattern=r"^[a-z0-9-]{1,32}$",
        on="local compose host",
    )
    backup_keep: int = declare(
        2,
        "full backups kept, one a week, each with all that follows it",
        "backups",
        on="host",
        ge=1,
        le=520,
    )
    backup_time: str = declare(
        "03:00",
        "time of day (UTC) of the backups",
        "time",
        on="host",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
    )
