"""`make status TARGET=compose` asks the servers themselves, and ends with 1 when one does not
answer."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from compose_stack import ComposeStack

pytestmark = pytest.mark.compose


def status(stack: ComposeStack) -> subprocess.CompletedProcess[str]:
    began = time.monotonic()
    done = stack.run("make", "--silent", "status", "TARGET=compose", check=False)
    assert time.monotonic() - began < 30
    return done


def signal(stack: ComposeStack, service: str, name: str) -> None:
    stack.compose("kill", f"--signal={name}", service)


def console(stack: ComposeStack, command: str) -> None:
    place = (
        "--host=/run/stack/pooler/current",
        "--port=6432",
        "--username=pgbouncer",
        "--dbname=pgbouncer",
    )
    stack.execute("pgbouncer", "psql", "--no-psqlrc", "--quiet", *place, f"--command={command}")


@contextmanager
def visited(stack: ComposeStack, path: str, least: int) -> Iterator[None]:
    """A block that begins once so many answers came, and all along which one asks for more."""
    ends, answers = threading.Event(), list[int]()

    def visit() -> None:
        while not ends.is_set():
            answers.append(stack.get(path)[0])

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        while len(answers) < least:
            time.sleep(0.1)
        yield
    finally:
        ends.set()
        visitor.join()
    assert set(answers) == {200}


def test_a_stack_that_answers_has_status_0(stack: ComposeStack) -> None:
    done = status(stack)
    servers = ("postgres", "pgbouncer", "web", "background", "metrics")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert lines[: len(servers)] == [f"{name:<11}running" for name in servers]
    levels = [line.split()[0] for line in lines[len(servers) :]]
    assert levels == [
        *("threads", "pool", "workers", "sessions", "memory", "disk", "changed"),
        *("verdict", "next"),
    ]
    assert lines[-2:] == ["verdict    ok: all is well", "next       Nothing to do."]


@pytest.mark.parametrize("service", ["postgres", "pgbouncer", "web"])
def test_a_server_that_is_stopped_by_a_signal_is_told(stack: ComposeStack, service: str) -> None:
    signal(stack, service, "STOP")
    try:
        done = status(stack)
    finally:
        signal(stack, service, "CONT")
    assert done.returncode == 2, done.stdout  # make's own, for a command that ended with 1
    assert f"{service:<11}running  " in done.stdout
    assert "verdict    NOT WELL: not all running: " in done.stdout
    assert "next       `kill -CONT " in done.stdout


@pytest.mark.parametrize(
    ("breaks", "mends", "said"),
    [
        (
            lambda stack: stack.compose("stop", "pgbouncer"),
            lambda stack: stack.compose("start", "pgbouncer"),
            "exited",
        ),
        (
            lambda stack: console(stack, "PAUSE"),
            lambda stack: console(stack, "RESUME"),
            "running  no answer",
        ),
    ],
    ids=["down", "paused"],
)
def test_a_pooler_that_serves_nobody_is_told(
    stack: ComposeStack,
    breaks: Callable[[ComposeStack], None],
    mends: Callable[[ComposeStack], None],
    said: str,
) -> None:
    breaks(stack)
    try:
        done = status(stack)
    finally:
        mends(stack)
    assert done.returncode == 2, done.stdout
    assert f"pgbouncer  {said}" in done.stdout


def test_advice_is_given_and_kept_for_a_check(stack: ComposeStack) -> None:
    def advise(**options: str) -> subprocess.CompletedProcess[str]:
        words = [f"{name}={value}" for name, value in options.items()]
        return stack.run("make", "--silent", "advise", "TARGET=compose", *words, check=False)

    early = advise(CHECK="1")
    assert early.returncode == 2, early.stdout
    assert "no advice was given yet" in early.stderr
    with visited(stack, "/db", 400):
        done = advise(LAST="30")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("measured  ")
        checked = advise(CHECK="1", LAST="30")
    assert checked.stdout.startswith("before    "), checked.stderr
