"""Every input of the stack, once: type, unit, default, meaning and what is refused by itself.

What they mean together is in `combinations`; machine and project are in modules of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pgstack.planning.balancers_input import Balancers, OneAddress, Servers
from pgstack.planning.database_url import ExternalDatabase
from pgstack.planning.input_types import LOGIN, MAIL, Address, Bytes, Hosts, Networks, declare
from pgstack.planning.members_input import Members
from pgstack.planning.project_inputs import ProjectInputs


class Inputs(ProjectInputs):
    """The inputs. None means "let the planner decide"."""

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
        "addresses of the three members of a cluster (docs/cluster.md)",
        "NAME:ADDRESS, comma-separated",
        on="host",
        unset="no cluster",
    )
    witness: str | None = declare(
        None,
        "name of the member that has etcd and no database",
        "name",
        on="host",
        unset="the inventory's",
    )
    failover: Literal["lease", "silence"] = declare(
        "lease",
        "when another member takes the place of a lost host: after the end of its lease, or once "
        "both others have not reached it for some seconds (docs/cluster.md)",
        "name",
        on="host",
    )
    balancers: Balancers = declare(
        {},
        "addresses of the two hosts in front of the web hosts (docs/cluster.md)",
        "NAME:ADDRESS, comma-separated",
        on="host",
        unset="none",
    )
    balancer_address: OneAddress | None = declare(
        None,
        "address that visitors come to, of whichever balancer lives; in the network of both",
        "address",
        on="host",
    )
    balancer: str | None = declare(
        None, "name of this balancer", "name", on="host", unset="the inventory's"
    )
    web_servers: Servers = declare(
        {},
        "addresses of the web hosts; on a balancer",
        "NAME:ADDRESS, comma-separated",
        on="host",
        unset="web_addresses, in the inventory's order",
    )
    watchdog: Literal["off", "automatic", "required"] = declare(
        "off",
        "whether the kernel resets the leader's host when its Patroni hangs: where there is a "
        "watchdog, or no member leads without one (docs/cluster.md)",
        "name",
        on="host",
    )
    wal_level: Literal["replica", "logical"] = declare(
        "replica",
        "what PostgreSQL writes to its WAL: `logical` is for an upgrade by logical replication "
        "(docs/upgrades.md)",
        "name",
        on="host",
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
    backup_name: str | None = declare(
        None,
        "name of a separate web host in the place where its files are kept",
        "name",
        on="host",
        unset="the inventory's",
        pattern=r"^[A-Za-z0-9._-]+$",
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
