"""A web process that has grown is replaced, one at a time."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgstack.serving import memory_limit
from pgstack.serving.memory_limit import MB, MemoryLimit


class World:
    """A clock, what the process takes, and the signals that it was sent."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.taken, self.signals = 100.0, 60 * MB, list[int]()
        self.file = directory / "wsgi.py"
        self.file.touch()
        monkeypatch.setattr(memory_limit, "resident", lambda: self.taken)
        monkeypatch.setattr(memory_limit.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(os, "kill", lambda pid, number: self.signals.append(number))

    def limit(self, share: int = 100 * MB) -> MemoryLimit:
        web = SimpleNamespace(memory_per_process=share, request_timeout=30, wsgi=str(self.file))
        plan: Any = SimpleNamespace(web=web, lanes=())
        return MemoryLimit(plan)

    def after(self, seconds: float, *limits: MemoryLimit) -> None:
        self.now += seconds
        for limit in limits:
            limit.look()

    def require_limit(self, limit: MemoryLimit) -> None:
        """A process that takes what it takes now stays, and goes with one MB more."""
        for more, signals in ((0, []), (MB, [signal.SIGUSR1])):
            self.taken += more
            self.after(2, limit)
            self.after(30, limit)
            assert self.signals == signals


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_one_that_has_grown_goes_and_the_other_waits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = world.limit(), world.limit()
    world.after(600, first, second)
    world.taken = 101 * MB
    world.after(2, first, second)
    assert world.signals == []
    world.after(30, first, second)
    assert world.signals == [signal.SIGUSR1]
    assert "101 MB of memory, over 100 MB: this process is replaced" in capsys.readouterr().err
    world.after(100, first, second)
    assert world.signals == [signal.SIGUSR1], "once, and the other one not before it has ended"
    os.close(first._lock)
    world.after(2, first, second)
    world.after(30, first, second)
    assert world.signals == [signal.SIGUSR1] * 2


@pytest.mark.parametrize(("loaded", "most"), [(60, 300), (200, 600)])
def test_one_that_becomes_warm_may_grow_threefold(world: World, loaded: int, most: int) -> None:
    world.taken = loaded * MB
    limit = world.limit()
    world.taken = most * MB
    world.require_limit(limit)


@pytest.mark.parametrize(("warm", "most"), [(60, 100), (200, 300)])
def test_afterwards_by_half_or_up_to_its_share(world: World, warm: int, most: int) -> None:
    limit = world.limit()
    world.taken = warm * MB
    world.after(600, limit)
    world.taken = most * MB
    world.require_limit(limit)


def test_it_reads_what_the_kernel_says() -> None:
    assert 5 * MB < memory_limit.resident() < 4096 * MB
