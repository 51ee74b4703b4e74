"""Drills that take the power from everything at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from drills.catalogue import UP, drill
from fixtures.local_stack import LocalStack, owner


def cut_power(stack: LocalStack) -> None:
    """SIGKILL of everything at once, the supervisor first, so that it starts nothing again."""
    victims = sorted(stack.processes(), key=lambda process: process.create_time())
    for process in victims:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(victims, timeout=10)


def up(stack: LocalStack) -> None:
    """What a machine does after its start."""
    done = stack.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr


@drill("power loss", "SIGKILL of everything at once", "the site is down", 40, UP)
def power_loss(stack: LocalStack) -> None:
    """Pid files, lock files and sockets stay behind."""
    cut_power(stack)
    up(stack)


def _power_loss_in_release(stack: LocalStack, reached: Callable[[], bool]) -> None:
    with subprocess.Popen(
        stack.command("stack_local", "release"),
        env=stack.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while not reached():
            assert process.poll() is None, "the release ended before"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        cut_power(stack)
    up(stack)


@drill(
    "power loss while a release is prepared",
    "SIGKILL of everything while checks and migrations run",
    "the site is down",
    40,
    UP,
)
def power_loss_in_preparation(stack: LocalStack) -> None:
    """Nothing is replaced yet."""
    began = time.monotonic()
    _power_loss_in_release(stack, lambda: time.monotonic() > began + 2.5)


@drill(
    "power loss as a release replaces the first web process",
    "SIGKILL of everything as SIGUSR1 goes out",
    "the site is down",
    40,
    UP,
)
def power_loss_in_first(stack: LocalStack) -> None:
    """Its mark is there."""
    _power_loss_in_release(stack, (stack.directory / "run/unfinished").exists)


@drill(
    "power loss between two web processes of a release",
    "SIGKILL of everything with old and new code loaded",
    "the site is down",
    40,
    UP,
)
def power_loss_between(stack: LocalStack) -> None:
    """One generation each."""
    old = {process.pid for process in stack.daemons()}
    _power_loss_in_release(
        stack, lambda: len(old & {process.pid for process in stack.daemons()}) < len(old)
    )


@drill(
    "missing WAL segment",
    "power loss, and the newest WAL segment is gone",
    "`make up` refuses with PostgreSQL's words",
    60,
    "a backup, or the segment",
)
def missing_segment(stack: LocalStack) -> None:
    """It must not start without it."""
    cut_power(stack)
    data = stack.directory / "data"
    newest = _newest_segment(stack)
    aside = newest.rename(data / "aside")
    done = stack.manage("stack_local", "up")
    aside.rename(newest)
    up(stack)
    assert done.returncode == 2, done.stdout
    assert "could not locate" in done.stderr, done.stderr


def _newest_segment(stack: LocalStack) -> Path:
    """The segment with the checkpoint to recover from."""
    binary = next(Path("/usr/lib/postgresql").glob("*/bin/pg_controldata"))
    words = owner(stack.directory, [str(binary), str(stack.directory / "data")])
    said = subprocess.run(words, check=True, capture_output=True, text=True, cwd="/").stdout
    name = next(line.split()[-1] for line in said.splitlines() if "REDO WAL file" in line)
    return stack.directory / "data/pg_wal" / name
