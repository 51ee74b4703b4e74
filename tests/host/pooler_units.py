"""The PgBouncers of a host with two: their units, and what their consoles say."""

from __future__ import annotations

import csv

from systemd_host import SystemdHost

PORTS = ("6432", "6433")
THREADS = 4
"""of a web process: what may be in flight at its PgBouncer"""


def units(host: SystemdHost) -> list[str]:
    """Those that run: `stack-pgbouncer-2@a.service`, then that of the first."""
    words = ("--plain", "--no-legend", "--state=active", "stack-pgbouncer*")
    told = host.run("systemctl", "list-units", *words).stdout
    return sorted(line.split()[0] for line in told.splitlines())


def main(host: SystemdHost, unit: str) -> str:
    """Number of its process."""
    return host.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()


def shown(host: SystemdHost, port: str, what: str) -> list[dict[str, str]]:
    """Rows of `SHOW what` of one of them."""
    psql = ("psql", "-X", "--csv", "-h", "/run/stack/pooler", "-p", port, "-U", "pgbouncer")
    words = ("runuser", "-u", "pooler", "--", *psql, "-d", "pgbouncer", "-c", f"SHOW {what}")
    return [*csv.DictReader(host.run(*words).stdout.splitlines())]


def clients(host: SystemdHost, port: str) -> set[tuple[str, str]]:
    """Connections of web processes at one of them, each with the time when it was made."""
    rows = shown(host, port, "CLIENTS")
    return {(row["ptr"], row["connect_time"]) for row in rows if row["application_name"] == "web"}


def transactions(host: SystemdHost, database: str) -> list[int]:
    """At each of them since its start."""
    return [
        sum(int(row["total_xact_count"]) for row in rows if row["database"] == database)
        for rows in (shown(host, port, "STATS") for port in PORTS)
    ]


def led_to(host: SystemdHost, database: str = "app") -> list[str]:
    """Address that each of them has for a database."""
    return [
        next(row["host"] for row in shown(host, port, "DATABASES") if row["name"] == database)
        for port in PORTS
    ]
