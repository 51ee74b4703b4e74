"""Visitors who come at set times, each with a connection of his own, whether those before him are
answered or not: what one sees who comes while a host is lost."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

EVERY_SECONDS = 0.1
AT_ONCE = 200
"""of those who still wait"""


@dataclass
class Newcomers:
    """What they saw."""

    began: float = field(default_factory=time.monotonic)
    answered: list[float] = field(default_factory=list)
    """moments of good answers"""
    failures: list[str] = field(default_factory=list)
    longest: float = 0.0
    """seconds that one waited for a good answer"""
    ended: float = 0.0
    """when the last one came"""

    def visit(self, ask: Callable[[], object]) -> None:
        """One of them."""
        came = time.monotonic()
        try:
            ask()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        self.answered.append(time.monotonic())
        self.longest = max(self.longest, self.answered[-1] - came)

    @property
    def gap(self) -> float:
        """Seconds: the longest time without a good answer for anybody."""
        within = sorted(moment for moment in self.answered if moment < self.ended)
        return max(
            later - earlier for earlier, later in pairwise([self.began, *within, self.ended])
        )

    def __str__(self) -> str:
        return (
            f"newcomers: {len(self.answered) + len(self.failures)} came, {len(self.failures)} failed "
            f"{dict(Counter(self.failures))}, gap {self.gap:.1f} s, one waited {self.longest:.1f} s"
        )


@contextmanager
def newcomers(ask: Callable[[], object]) -> Iterator[Newcomers]:
    """They come meanwhile; at the end all have been answered, or have failed."""
    seen, over = Newcomers(), threading.Event()

    def come(threads: ThreadPoolExecutor) -> None:
        while not over.wait(EVERY_SECONDS):
            threads.submit(seen.visit, ask)
        seen.ended = time.monotonic()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        gate = threading.Thread(target=come, args=(threads,), daemon=True)
        gate.start()
        try:
            yield seen
        finally:
            over.set()
            gate.join()
    print(seen)
