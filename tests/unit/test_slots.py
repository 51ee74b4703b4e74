"""Which PgBouncer a process takes: real processes, which live and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgstack.planning import slots

APP = Path(slots.__file__).resolve().parents[2]
PROGRAM = """
import sys, time
from pgstack.planning import slots
print(slots.own(sys.argv[1], int(sys.argv[2])), flush=True)
time.sleep(60)
"""


class Crowd:
    """Processes that have taken a place each."""

    def __init__(self, path: Path, groups: int) -> None:
        self.path, self.groups = path, groups
        self.groups_of: dict[subprocess.Popen[str], int] = {}

    def start(self, count: int) -> list[int]:
        """So many at once; what each has taken."""
        words = [sys.executable, "-c", PROGRAM, str(self.path), str(self.groups)]
        new = [
            subprocess.Popen(
                words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(APP)}
            )
            for _ in range(count)
        ]
        for process in new:
            assert process.stdout is not None
            self.groups_of[process] = int(process.stdout.readline())
        return [self.groups_of[process] for process in new]

    def end(self, *ended: subprocess.Popen[str]) -> None:
        """As a crash does."""
        for process in ended:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            del self.groups_of[process]

    def spread(self) -> list[int]:
        """Processes of each group."""
        counted = Counter(self.groups_of.values())
        return [counted[group] for group in range(self.groups)]


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(tmp_path / "web-processes", 3)
    yield made
    made.end(*list(made.groups_of))


def test_processes_that_start_at_once_are_spread_evenly(crowd: Crowd) -> None:
    crowd.start(7)
    assert sorted(crowd.spread()) == [2, 2, 3]


def test_who_follows_takes_the_place_that_was_left(crowd: Crowd) -> None:
    crowd.start(6)
    gone = [process for process, group in crowd.groups_of.items() if group == 1]
    crowd.end(*gone)
    assert crowd.spread() == [2, 0, 2]
    assert crowd.start(2) == [1, 1]


def test_a_second_generation_is_even_by_itself(crowd: Crowd) -> None:
    """As while a second Apache takes over from the first, and one of its processes ends later."""
    crowd.start(3)
    old = list(crowd.groups_of)
    crowd.start(3)
    crowd.end(*old)
    assert crowd.spread() == [1, 1, 1]
    crowd.end(next(iter(crowd.groups_of)))
    crowd.start(1)
    assert crowd.spread() == [1, 1, 1]


def test_without_the_file_each_still_has_one(tmp_path: Path) -> None:
    slots.own.cache_clear()
    assert slots.own(str(tmp_path / "missing/file"), 3) == os.getpid() % 3


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    slots.own.cache_clear()
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "link").symlink_to(elsewhere)
    assert slots.own(str(tmp_path / "link"), 2) == os.getpid() % 2
    assert not elsewhere.exists()
