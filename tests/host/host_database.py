"""What the database of a host says, and when."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from systemd_host import SystemdHost


def now() -> str:
    """This moment, with a second of silence on both sides of it."""
    time.sleep(1)
    text = datetime.now(UTC).isoformat(" ")
    time.sleep(1)
    return text


def started(host: SystemdHost) -> str:
    """When the database was started."""
    return sql(host, "SELECT pg_postmaster_start_time()")


def sql(host: SystemdHost, query: str) -> str:
    """What its administrator is answered."""
    words = [
        "runuser",
        "-u",
        "postgres",
        "--",
        "psql",
        "--host=/run/stack/postgres",
        "-Atc",
        query,
        "app",
    ]
    return host.run(*words).stdout.strip()
