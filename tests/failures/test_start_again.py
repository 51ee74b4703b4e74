"""`up` on a stack that runs: nothing is restarted without need, and a changed input comes into
force."""

from __future__ import annotations

import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack
from fixtures.machine import as_user
from pgstack.targets import listener

PROGRAMS = ["apache2", "pgbouncer", "postgres", "supervisord"]


def test_up_restarts_nothing_when_nothing_changed(stack: LocalStack) -> None:
    before = stack.servers()
    assert sorted(before) == PROGRAMS
    done = stack.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr
    assert stack.servers() == before


@pytest.mark.parametrize("rendered_before", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_up_brings_a_changed_input_into_force(stack: LocalStack, rendered_before: bool) -> None:
    before = stack.servers()
    try:
        if rendered_before:
            assert stack.manage("stack_render", STACK_THREADS="3").returncode == 0
        done = stack.manage("stack_local", "up", STACK_THREADS="3")
        assert done.returncode == 0, done.stderr
        assert "restart   the configuration changed" in done.stdout
        assert all(before[name] != process for name, process in stack.servers().items())
        assert stack.manage("stack_verify", STACK_THREADS="3").returncode == 0
    finally:
        assert stack.manage("stack_local", "up").returncode == 0


def test_the_page_is_waited_for_here_and_not_where_its_name_leads(unused: LocalStack) -> None:
    done = unused.manage("stack_local", "up", STACK_HOSTS="nowhere.invalid")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"ready     http://nowhere.invalid:{unused.port}/\n")


def test_an_ordinary_user_runs_a_stack(unused: LocalStack, ordinary: pwd.struct_passwd) -> None:
    shutil.chown(unused.directory, ordinary.pw_uid, ordinary.pw_gid)

    def manage(*arguments: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        command = as_user(ordinary, unused.command(*arguments))
        return subprocess.run(
            command,
            env=unused.environment(**inputs),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )

    done = manage("stack_local", "up")
    assert done.returncode == 0, done.stderr + unused.logs()
    assert {path.owner() for path in unused.directory.rglob("*")} == {ordinary.pw_name}
    assert manage("stack_verify").returncode == 0
    assert manage("stack_local", "down").stdout == "stopped\n"


def test_make_up_tells_an_ordinary_user_the_command_for_a_missing_package(
    unused: LocalStack, checkout: Path, ordinary: pwd.struct_passwd, hidden: object
) -> None:
    assert callable(hidden)
    command = hidden(
        Path("/usr/lib/apache2/modules"), as_user(ordinary, ["make", "up", "TARGET=local"])
    )
    done = subprocess.run(
        command, cwd=checkout, env=unused.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "install: missing packages: libapache2-mod-wsgi-py3. "
        "As root: apt-get install -y --no-install-recommends libapache2-mod-wsgi-py3"
    )
    assert unused.entries() == []


def _privileged() -> int:
    """A port that only root may listen on."""
    first = int(listener.PRIVILEGED.read_text())
    if first < 2:
        pytest.skip(
            "every user may listen on every port here (net.ipv4.ip_unprivileged_port_start)"
        )
    return min(80, first - 1)


def test_root_is_told_that_the_account_may_not_listen_on_port_80(unused: LocalStack) -> None:
    port = _privileged()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip(f"port {port} is in use here")
    done = unused.manage("stack_local", "up", STACK_PORT=str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"STACK_PORT={port}: ")
    assert "Choose another, such as STACK_PORT=8" in done.stderr
    assert unused.entries() == []


def test_an_ordinary_user_is_told_that_port_80_is_not_for_them(
    unused: LocalStack, ordinary: pwd.struct_passwd
) -> None:
    port = _privileged()
    shutil.chown(unused.directory, ordinary.pw_uid, ordinary.pw_gid)
    command = as_user(ordinary, unused.command("stack_local", "up"))
    done = subprocess.run(
        command,
        env=unused.environment(STACK_PORT=str(port)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"STACK_PORT={port}: Permission denied (127.0.0.1). Choose another"
    )
    assert unused.entries() == []
