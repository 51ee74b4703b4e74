"""How fast the machine itself is while a trial is measured: a fixed piece of work, timed on the
stack's own cores.

A virtual machine shares its processors with others. Where they take time from it, or share a core
with it, the same work takes more CPU time, and a trial says how busy the neighbours were.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from statistics import fmean

LOOPS = 20_000
"""additions; together 0.4 ms on the machine of docs/results.md"""
INTERVAL_SECONDS = 0.05
"""between two looks: less than one in a hundred of a core's time goes to them"""
BEST_SAMPLES = 400
"""of which the median of the fastest tenth is the machine at its best"""
CALM_SAMPLES = 250
SLOW = 1.15
"""an open loop is void when the work took so many times as long as when its capacity was
measured"""


def work() -> float:
    """CPU milliseconds of the fixed piece of work on the core of this thread."""
    begin, total = time.thread_time(), 0
    for number in range(LOOPS):
        total += number
    return (time.thread_time() - begin) * 1000


def best(cores: Sequence[int]) -> float:
    """Milliseconds of the work on these cores when nothing is in its way."""
    times = sorted(_samples(cores, BEST_SAMPLES))
    return times[BEST_SAMPLES // 20]


class Watch:
    """The work's times while it is `on`."""

    def __init__(self, best_ms: float) -> None:
        self.on = False
        self._best = best_ms
        self._times: list[float] = []

    def add(self, milliseconds: float) -> None:
        """Note one look: `milliseconds` that the work took."""
        if self.on:
            self._times.append(milliseconds)

    @property
    def slowness(self) -> float | None:
        """Mean time ÷ best time; None when nobody looked."""
        return fmean(self._times) / self._best if self._times else None


class Yardstick:
    """Watches `cores`, where the work takes `best_ms` at its best; `patience` seconds at most go to
    a calm machine."""

    def __init__(self, cores: Sequence[int], best_ms: float, patience: float) -> None:
        self.patience = patience
        self._cores, self._best = tuple(cores), best_ms

    def wait(self, usual: float = 1.0) -> None:
        """Return when the machine is about as slow as `usual`, or patience has run out.

        The stack's cores must be idle.
        """
        while self.patience > 0:
            begin = time.monotonic()
            if fmean(_samples(self._cores, CALM_SAMPLES)) < SLOW * usual * self._best:
                return
            time.sleep(INTERVAL_SECONDS)
            self.spend(time.monotonic() - begin)

    def spend(self, seconds: float) -> bool:
        """Take what waiting or a void trial took; whether there is patience left for more."""
        self.patience -= seconds
        return self.patience > 0

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Look again and again, from a thread of its own."""
        watch, done = Watch(self._best), threading.Event()

        def look() -> None:
            for core in cycle(self._cores):
                os.sched_setaffinity(0, {core})  # of this thread
                watch.add(work())
                if done.wait(INTERVAL_SECONDS):
                    return

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            done.set()
            thread.join()


def _samples(cores: Sequence[int], count: int) -> list[float]:
    before = os.sched_getaffinity(0)
    times = []
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})
            times += [work() for _ in range(count // len(cores) + 1)]
    finally:
        os.sched_setaffinity(0, before)
    return times
