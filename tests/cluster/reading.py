"""Visitors who read a page that is marked for `replica`, and keep no cookie."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import requests
from systemd_host import INPUTS

PAGE = "/fortunes"
READERS = 4
PAUSE_SECONDS = 0.07
PATIENCE_SECONDS = 60


@dataclass
class Reading:
    """What they saw."""

    url: str
    good: list[float] = field(default_factory=list)
    """moments of good answers"""
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """One visitor, until the end."""
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Host"] = INPUTS["hosts"][0]
            while not self.over.wait(PAUSE_SECONDS):
                try:
                    status = session.get(f"{self.url}{PAGE}", timeout=PATIENCE_SECONDS).status_code
                except requests.RequestException as error:
                    self.failures.append(type(error).__name__)
                    continue
                if status == 200:
                    self.good.append(time.monotonic())
                else:
                    self.failures.append(f"status {status}")

    @property
    def longest_gap(self) -> float:
        """Seconds without a good answer."""
        moments = sorted(self.good)
        return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)

    def __str__(self) -> str:
        sent = len(self.good) + len(self.failures)
        return f"{len(self.failures)} / {sent} failed, longest gap {self.longest_gap:.1f} s"


@contextmanager
def readers(url: str) -> Iterator[Reading]:
    """Some visitors meanwhile."""
    reading = Reading(url)
    threads = [threading.Thread(target=reading.read, daemon=True) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield reading
    finally:
        reading.over.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        print(reading)
