"""Valkey in a container: nothing of it unless asked, then cache and broker on a socket alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from compose_stack import ComposeStack

pytestmark = [pytest.mark.compose, pytest.mark.slow]

CLIENT = ("valkey-cli", "-e", "-s", "/run/stack/valkey/valkey.sock")
ASK = """
import sys, redis
client = redis.Redis(unix_socket_path="/run/stack/valkey/valkey.sock")
print(client.execute_command(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def cached(compose_stack: ComposeStack) -> Iterator[ComposeStack]:
    """The stack with it; at its end without."""
    assert not compose_stack.container("valkey")
    own = compose_stack.with_inputs({"STACK_VALKEY": "on"})
    own.up("--build")
    yield own
    compose_stack.up()
    # What was rendered stays where nobody reads it; another test looks at all of it.
    remove = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint=rm", "configure")
    compose_stack.compose(*remove, "-r", "/etc/stack/valkey")
    assert not compose_stack.container("valkey")
    compose_stack.wait_until_steady()


def test_it_runs_as_planned(cached: ComposeStack) -> None:
    cached.wait_until_steady()
    assert cached.verifies()
    rows = cached.run("make", "-s", "status", "TARGET=compose").stdout.splitlines()
    assert "valkey     running" in rows
    assert cached.get("/cached")[0] == 200


def test_its_container_is_shut_in(cached: ComposeStack) -> None:
    container = cached.inspect("valkey")
    host = container["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["NetworkMode"]) == (True, ["ALL"], "none")
    assert container["Config"]["User"] == "5008"
    writable = {
        mount["Destination"]
        for mount in container["Mounts"]
        if mount["Type"] != "tmpfs" and mount["RW"]
    }
    assert writable == {"/var/lib/stack-valkey", "/run/stack/valkey"}
    listing = cached.run("docker", "top", cached.container("valkey"), "-eo", "pid,uid")
    assert {line.split()[1] for line in listing.stdout.splitlines()[1:]} == {"5008"}


@pytest.mark.parametrize(
    ("account", "answer"),
    [("app", "True"), ("deploy", "True"), ("nobody", "Permission denied"), ("pooler", "True")],
)
def test_its_socket_is_for_the_group_alone(cached: ComposeStack, account: str, answer: str) -> None:
    done = cached.python(ASK, "PING", account=account)
    assert answer in done.stdout + done.stderr


def test_tasks_outlive_a_reload_that_changes_it(cached: ComposeStack) -> None:
    cached.execute("valkey", *CLIENT, "RPUSH", "queue", "a task")
    done = cached.with_inputs({"STACK_VALKEY_MEMORY": "24m"}).run(
        "make", "-s", "reload", "TARGET=compose"
    )
    assert "restarted Valkey in " in done.stdout
    told = cached.execute("valkey", *CLIENT, "INFO", "memory").stdout.split()
    assert f"maxmemory:{24 * 1024**2}" in told
    assert cached.execute("valkey", *CLIENT, "LPOP", "queue").stdout.strip() == "a task"
    off = cached.with_inputs({"STACK_VALKEY": "off", "STACK_VALKEY_MEMORY": ""})
    done = off.run("make", "-s", "reload", "TARGET=compose", check=False)
    assert "STACK_VALKEY=off: Valkey is started and ended by `make up` only" in done.stderr
    assert cached.run("make", "-s", "reload", "TARGET=compose").returncode == 0
