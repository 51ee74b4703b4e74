"""What the tests of this directory ask of their host."""

from __future__ import annotations

import subprocess
import time

from systemd_host import SystemdHost

SERVERS = "postgres|pgbouncer|apache2|etcd|patroni"
PLACES = ("/etc", "/srv", "/usr/local", "/run")
ACCOUNTS = ("app", "apache", "deploy", "build", "pooler", "follower", "metrics")
KEPT = {"/etc/stack-secrets", "/etc/stack-secrets.owners", "/etc/stack-tls", "/etc/stack-database"}
"""with the data"""
WITHIN = "/etc/stack-database/"
"""whose passwords are called as roles are"""


def run(host: SystemdHost, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run that succeeds."""
    return host.played(playbook, *arguments)


def said(host: SystemdHost, *command: str) -> str:
    """What a command of the host prints."""
    return host.run(*command).stdout.strip()


def wait(condition: object, seconds: float) -> bool:
    """Whether `condition` came true in time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def require_gone(host: SystemdHost) -> None:
    """Nothing of the stack runs, and neither configuration nor releases nor accounts are there."""
    assert said(host, "systemctl", "list-units", "--plain", "--no-legend", "stack-*") == ""
    assert "stack" not in said(host, "nft", "list", "tables")
    assert host.run("pgrep", "-l", SERVERS, check=False).stdout == ""
    left = host.run("find", *PLACES, "-xdev", "-name", "*stack*").stdout.splitlines()
    assert {path for path in left if not path.startswith(WITHIN)} <= KEPT
    names = said(host, "getent", "passwd").splitlines()
    assert [line for line in names if line.split(":")[0] in ACCOUNTS] == []
    assert host.run("getent", "group", "sockets", "secrets", check=False).stdout == ""
