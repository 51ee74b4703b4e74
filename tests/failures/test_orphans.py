"""A stack whose directory was deleted or moved under it is found by its processes, and stopped."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fixtures.local_stack import LocalStack, owner
from pgstack.targets import listener

SERVERS = ["apache2", "pgbouncer", "postgres", "supervisord"]


@pytest.fixture
def up(unused: LocalStack) -> Iterator[LocalStack]:
    """A stack that runs; whatever happens nothing of it is left."""
    done = unused.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr + unused.logs()
    everything = unused.processes()
    yield unused
    for process in everything:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def bystander(directory: Path) -> subprocess.Popen[bytes]:
    """Something else of the stack's account that names its files, and works among them."""
    file = directory / "conf/apache/apache2.conf"
    command = owner(directory, ["tail", "-f", str(file)])
    return subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)


def test_a_deleted_stack_is_named_and_stopped_and_nothing_else_is(up: LocalStack) -> None:
    assert sorted(up.servers()) == SERVERS
    assert "orphans" not in up.manage("stack_local", "status").stdout
    with bystander(up.directory) as other:
        shutil.rmtree(up.directory)
        status = up.manage("stack_local", "status")
        down = up.manage("stack_local", "down")
        assert other.poll() is None
        other.kill()
    assert status.returncode == 1
    assert status.stdout.startswith("orphans   apache (process ")
    assert "supervisord (process " in status.stdout
    assert status.stdout.endswith(
        "the directory was deleted or moved under them; `make down TARGET=local` stops them\n"
    )
    assert (down.returncode, down.stdout) == (0, "stopped\n"), down.stderr
    assert up.servers() == {}
    listener._bind("127.0.0.1", up.port)
    again = up.manage("stack_local", "down")
    assert again.returncode == 2
    assert "no stack was started here" in again.stderr


@pytest.mark.slow
def test_a_start_stops_what_ran_on_in_a_directory_that_was_moved_away(up: LocalStack) -> None:
    old = up.servers()
    elsewhere = up.directory.with_name(f"{up.directory.name}-moved")
    up.directory.rename(elsewhere)
    try:
        again = up.manage("stack_local", "up")
        assert again.returncode == 0, again.stderr
        assert "stopped   processes whose directory was gone\n" in again.stdout
        assert [pid for pid in old.values() if psutil.pid_exists(pid)] == []
        assert sorted(up.servers()) == SERVERS
        assert up.answers()
        assert up.manage("stack_local", "status").returncode == 0
    finally:
        shutil.rmtree(elsewhere)
