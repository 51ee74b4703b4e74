"""Valkey switched on and off on a host that serves: in force, shut in, and no request is lost."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator

import pytest
from systemd_host import INPUTS, SystemdHost

from fixtures.exposure import CACHE
from fixtures.releases import BY_SUITE

pytestmark = [pytest.mark.host, pytest.mark.timeout(900), pytest.mark.slow]

UNIT = "stack-valkey.service"
SOCKET = "/run/stack/valkey/valkey.sock"
ASKED = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(" ".join(sys.argv[2:]).encode() + b"\\r\\n")
print(client.recv(4096).decode().strip())
"""


def asked(site: SystemdHost, account: str, *words: str) -> str:
    """What an account is answered at the socket."""
    program = ("/usr/bin/python3", "-c", ASKED, SOCKET, *words)
    done = site.run("runuser", "-u", account, "--", *program, check=False)
    return (done.stdout + done.stderr).strip()


def played(site: SystemdHost, **inputs: str) -> subprocess.CompletedProcess[str]:
    """site.yml with these inputs, under load."""
    return site.under_load(lambda: site.played("site.yml", stack_inputs={**INPUTS, **inputs}))


@pytest.fixture(scope="module")
def cached(site: SystemdHost) -> Iterator[SystemdHost]:
    """The host with it; at the end it is gone, but for what it has kept."""
    played(site, valkey="on")
    yield site
    played(site)
    assert site.run("systemctl", "is-active", UNIT, check=False).stdout.strip() == "inactive"
    assert site.run("test", "-e", f"/etc/systemd/system/{UNIT}", check=False).returncode == 1
    assert site.run("stack-manage", "stack_verify", check=False).returncode == 0


def test_it_runs_shut_in_and_debians_own_does_not(cached: SystemdHost) -> None:
    own = f"{BY_SUITE[cached.suite].valkey}.service"
    assert cached.run("systemctl", "is-active", own, check=False).stdout.strip() == "inactive"
    assert cached.run("systemctl", "is-enabled", UNIT).stdout.strip() == "enabled"
    words = ("systemd-analyze", "security", "--no-pager", f"--threshold={CACHE['stack-valkey']}")
    assert cached.run(*words, UNIT, check=False).returncode == 0
    process = cached.run("systemctl", "show", "--property=MainPID", "--value", UNIT).stdout.strip()
    assert cached.run("ps", "-o", "user=", "-p", process).stdout.strip() == "valkey"
    assert "valkey     runs\n" in cached.run("stackctl", "status").stdout
    verified = cached.run("stack-manage", "stack_verify", check=False)
    assert verified.returncode == 0, verified.stdout
    assert "Valkey runs the plan" in verified.stdout
    cached.page("/cached")
    assert "cmdstat_set:" in asked(cached, "app", "INFO", "commandstats")


@pytest.mark.parametrize(
    ("account", "answer"),
    [
        ("app", "+PONG"),
        ("deploy", "+PONG"),
        *((account, "Permission denied") for account in ("nobody", "postgres", "pooler", "build")),
    ],
)
def test_its_socket_is_for_those_that_run_the_project(
    cached: SystemdHost, account: str, answer: str
) -> None:
    assert answer in asked(cached, account, "PING")


def test_nobody_notices_that_it_was_killed(cached: SystemdHost) -> None:
    assert asked(cached, "app", "RPUSH", "queue", "task") == ":1"
    failed, ended = [], threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                cached.page("/cached")
            except OSError as error:
                failed.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    cached.run("systemctl", "kill", "--signal=KILL", UNIT)
    ended.wait(3)
    ended.set()
    thread.join()
    assert failed == []
    assert asked(cached, "app", "LLEN", "queue") == ":1"


def test_its_memory_changes_and_the_queue_stays(cached: SystemdHost) -> None:
    played(cached, valkey="on", valkey_memory="24m")
    assert "maxmemory 25165824" in cached.run("cat", "/etc/stack/live/valkey/valkey.conf").stdout
    assert asked(cached, "app", "LLEN", "queue") == ":1"
    assert cached.run("stack-manage", "stack_verify", check=False).returncode == 0
