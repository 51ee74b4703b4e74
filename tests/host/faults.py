"""Faults of a host's servers, and what it tells of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from systemd_host import SystemdHost

from fixtures.releases import CLUSTER

UNITS = {
    "postgres": (f"{CLUSTER}.service",),
    "pgbouncer": ("stack-pgbouncer@a.service", "stack-pgbouncer@b.service"),
    "apache": ("stack-apache@a.service", "stack-apache@b.service"),
}
WATCH = ("stack-watch.timer", "stack-watch.service")
SEEN_SECONDS = 15
"""until a lock is held"""
INI = "/etc/stack/live/pgbouncer-{}/pgbouncer.ini"


def main(host: SystemdHost, server: str) -> str:
    """Number of its main process; 0 when it does not run."""
    processes = host.run(
        "systemctl", "show", "--property=MainPID", "--value", *UNITS[server]
    ).stdout.split()
    return next((number for number in processes if number != "0"), "0")


def halt(host: SystemdHost, server: str) -> None:
    """Stop all of its processes with SIGSTOP."""
    for unit in UNITS[server]:
        host.run("systemctl", "kill", "--signal=SIGSTOP", unit, check=False)


def pause(host: SystemdHost, command: str = "PAUSE") -> None:
    """Hold requests back as somebody at the console, who then leaves."""
    console = (
        "psql",
        "-h",
        "/run/stack/pooler",
        "-p",
        "6432",
        "-U",
        "pgbouncer",
        "-d",
        "pgbouncer",
    )
    host.run("runuser", "-u", "pooler", "--", *console, "-c", command)


def status(host: SystemdHost) -> tuple[int, str, float]:
    """How `stackctl status` ended, what it said, and how long it took."""
    begun = time.monotonic()
    done = host.run("timeout", "60", "stackctl", "status", check=False)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - begun


def line(text: str, server: str) -> str:
    """What the status says of one server."""
    (line,) = re.findall(f"^{server} .*", text, re.MULTILINE)
    return str(line)


@contextmanager
def unwatched(host: SystemdHost) -> Iterator[None]:
    """Without the timer that brings servers back, and with its last look at an end."""
    host.run("systemctl", "stop", *WATCH)
    try:
        yield
    finally:
        host.run("systemctl", "start", WATCH[0])


@contextmanager
def unusable(host: SystemdHost) -> Iterator[None]:
    """With a configuration of PgBouncer that is gone."""
    files = [INI.format(instance) for instance in "ab"]
    there = [file for file in files if host.run("test", "-e", file, check=False).returncode == 0]
    for file in there:
        host.run("mv", file, f"{file}.away")
    try:
        yield
    finally:
        for file in there:
            host.run("mv", f"{file}.away", file)


@contextmanager
def locked(host: SystemdHost, seconds: int = 30) -> Iterator[None]:
    """Within it, or for so long, every row of a table is."""
    locks = f"BEGIN; UPDATE world SET randomnumber = 1; SELECT pg_sleep({seconds}); ROLLBACK"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    psql = ("runuser", "-u", "postgres", "--", "psql", "-XqAt", "-h", "/run/stack/postgres", "app")
    host.run("systemd-run", "--quiet", "--collect", "--unit=locks", *psql, "-c", locks)
    try:
        deadline = time.monotonic() + SEEN_SECONDS
        while host.run(*psql, "-c", waits).stdout.strip() != "1":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield
    finally:
        host.run("systemctl", "stop", "locks", check=False)
