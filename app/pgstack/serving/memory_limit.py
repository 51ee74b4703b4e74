"""A web process that has grown over its share of memory is replaced, as a release replaces it: no
request fails.

mod_wsgi knows no limit of memory. One process goes at a time, and waits first: its sibling's
successor may be loading.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from pgstack.planning import lanes
from pgstack.planning.plan import Plan

LOOK_SECONDS = 1.0
WARM_SECONDS = 600.0
"""in which a process imports and caches what its project needs: growth in them is no leak"""
COLD_ROOM, WARM_ROOM = 3.0, 1.5
"""times its share, or what it took when it was loaded, in that time; times what it took then,
afterwards. Less would replace processes for ever where only the plan is too small
(STACK_PROCESS_MEMORY)."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STATISTICS = Path("/proc/self/statm")
MB = 1024**2


def resident() -> int:
    """Bytes of this process in memory that it shares with no file and no other process."""
    _, all_pages, shared, *_ = STATISTICS.read_bytes().split()
    return (int(all_pages) - int(shared)) * PAGE_BYTES


class MemoryLimit:
    """Of this process, which has loaded its project."""

    def __init__(self, plan: Plan) -> None:
        self.share = (lanes.own(plan.lanes) or plan.web).memory_per_process
        self.most = COLD_ROOM * max(self.share, resident())
        self._warm = time.monotonic() + WARM_SECONDS
        self.pause, self.lock_file = plan.web.request_timeout, plan.web.wsgi
        self._next = self._go = 0.0
        self._lock = -1

    def look(self) -> None:
        """Once a second: replace this process when it has grown, and no other one is being
        replaced."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LOOK_SECONDS
        if now >= self._warm:
            self._warm, self.most = float("inf"), max(self.share, WARM_ROOM * resident())
        if self._lock >= 0:
            self._end(now)
        elif resident() > self.most and self._locked():
            self._go = now + self.pause

    def _end(self, now: float) -> None:
        """The lock is given back by the kernel when this process has ended."""
        if now < self._go:
            return
        self._next = float("inf")
        grown = (
            f"{resident() // MB} MB of memory, over {self.most // MB:.0f} MB: this process is "
            f"replaced"
        )
        print(grown, file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGUSR1)

    def _locked(self) -> bool:
        file = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._lock = file
        return True
