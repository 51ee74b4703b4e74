"""What the tests' own way into a container gives a command: what Docker's engine gives it."""

from __future__ import annotations

from collections.abc import Iterator

import entering
import pytest
from docker_engine import docker
from host_image import debian_image, require_engine

from fixtures.releases import NEWEST_IMAGE, NEWEST_SUITE

pytestmark = pytest.mark.host

TOLD = (
    "grep -E '^(Cap|Groups|NoNewPrivs|Seccomp|Uid)' /proc/self/status; grep -v ^0: /proc/self/cgroup; "
    "env | grep -v ^HOSTNAME=; id; pwd; umask; tty"
)
"""rights, control groups, variables and place; a host's name is not only a variable"""


@pytest.fixture
def container() -> Iterator[str]:
    """One that only waits."""
    require_engine()
    debian_image(NEWEST_SUITE)
    own = ("--env=container=docker", "--cgroupns=private", "--security-opt=seccomp=unconfined")
    limits = ("--cap-add=SYS_ADMIN", "--pids-limit=64", "--memory=64m")
    started = docker("run", "--detach", *own, *limits, NEWEST_IMAGE, "sleep", "300")
    name = started.stdout.strip()
    try:
        yield name
    finally:
        docker("rm", "--force", name, check=False)


def test_a_command_has_what_the_engine_would_give_it(container: str) -> None:
    given = docker("exec", container, "sh", "-c", TOLD, check=False).stdout
    assert "CapBnd:" in given
    assert sorted(entering.run(container, "sh", "-c", TOLD).stdout.splitlines()) == sorted(
        given.splitlines()
    )
    assert entering.run(container, "sh", "-c", "exit 3").returncode == 3


def test_nothing_waits_for_a_container_that_is_paused_or_stopped(container: str) -> None:
    assert entering.run(container, "true").returncode == 0
    docker("pause", container)
    try:
        assert "is paused" in entering.run(container, "true").stderr
    finally:
        docker("unpause", container)
    docker("restart", "--time=1", container)
    assert entering.run(container, "true").returncode == 0
    docker("stop", "--time=1", container)
    assert "is not running" in entering.run(container, "true").stderr
