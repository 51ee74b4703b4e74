"""A release or reload in containers that is killed midway: the site answers, and the next command
finishes what it had begun."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from compose_stack import CHECKOUT, ComposeStack

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(600)]

START_SECONDS = 120
"""until a command on a busy machine has got as far as it is to be killed"""
INPUTS = {"STACK_POOL_SIZE": "9"}
"""takes a restart of PostgreSQL, another PgBouncer and another web"""
RELOAD = ("reload", "tools/compose_reload.py")
RELEASE = ("release", "tools/compose_release.py", "release")


@dataclass(frozen=True)
class Moment:
    """When a command is killed."""

    command: tuple[str, ...]
    has_come: Callable[[ComposeStack, dict[str, str]], bool]
    """asked with the containers as they were before"""


def postgres_restarts(stack: ComposeStack, before: dict[str, str]) -> bool:
    return str(stack.inspect("postgres")["State"]["StartedAt"]) != before["started"]


def second_web_runs(stack: ComposeStack, _: dict[str, str]) -> bool:
    return len(running(stack, "web")) == 2


def running(stack: ComposeStack, service: str) -> list[str]:
    return stack.compose("ps", "--quiet", service).stdout.split()


MOMENTS = {
    "reload, while PostgreSQL restarts": Moment(RELOAD, postgres_restarts),
    "release, while web takes over": Moment(RELEASE, second_web_runs),
}


@pytest.fixture
def larger(compose_stack: ComposeStack) -> Iterator[ComposeStack]:
    """The stack with an input that a reload changes; afterwards as it was."""
    compose_stack.wait_until_steady()
    yield compose_stack.with_inputs(INPUTS)
    for service in ("web", "pgbouncer"):
        compose_stack.compose("rm", "--force", "--stop", service)
    compose_stack.up()


def kill_midway(stack: ComposeStack, moment: Moment) -> None:
    """Start the command, and kill it and all that it started when the moment has come."""
    before = {"started": str(stack.inspect("postgres")["State"]["StartedAt"])}
    command = ["/usr/bin/python3", "-B", *moment.command[1:]]
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as run:
        deadline = time.monotonic() + START_SECONDS
        try:
            while not moment.has_come(stack, before):
                assert run.poll() is None, f"it ended before: {run.stdout and run.stdout.read()}"
                assert time.monotonic() < deadline, "the moment never came"
        finally:
            os.killpg(run.pid, signal.SIGKILL)


@pytest.mark.parametrize("name", MOMENTS)
def test_a_command_that_is_killed_is_finished_by_the_next(larger: ComposeStack, name: str) -> None:
    moment = MOMENTS[name]
    kill_midway(larger, moment)
    larger.wait_until_steady(60)
    done = larger.run("/usr/bin/python3", "-B", *moment.command[1:], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unchanged" not in done.stdout, "what was begun is taken for done"
    assert [len(running(larger, service)) for service in ("web", "pgbouncer")] == [1, 1]
    larger.wait_until_steady()
    if moment.command is RELOAD:
        assert larger.verifies()
