"""What a web process measures of its requests, in a file that the exporter reads
(pgstack.metrics).

A file is numbers and nothing else. Each process has one for itself, which it keeps locked while it
lives; its successor goes on with it, so that what is counted never falls. A file is filled before
it is mapped: where there is no room for it, nothing is measured, and no page fails.
"""

from __future__ import annotations

import atexit
import fcntl
import mmap
import os
import sys
import threading
import time
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgstack.planning import lanes
from pgstack.planning.plan import Plan
from pgstack.serving.current import CURRENT
from pgstack.serving.memory_limit import resident

MOST_FILES = 1024
"""twice the processes that an input may ask for: old and new ones live side by side"""
NAME = "{}-{}"
"""of a file: `process`, or the process group of a lane, and a number"""
MAIN = "process"
BYTES = 8
"""of a number: a C double, whole up to 2**53"""
QUEUED, BEGUN = "mod_wsgi.queue_start", "mod_wsgi.daemon_start"
"""variables: when Apache connected to the processes, and when a thread took the request, in
microseconds"""

LAYOUT, STARTS, SINCE, SEEN, MEMORY, BUSY, LATE, HELD = range(8)
"""places of single numbers: which layout this is; processes that have had this file; when the
present one began, and when it was last heard of, in seconds since 1970; its bytes of memory; its
threads that have a request; requests that waited too long for one; seconds that threads were
taken"""
RESPONSES = 8
"""place of the first of five: answers of each class of status"""
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
PLACES = {name[0]: RESPONSES + place for place, name in enumerate(CLASSES)}
"""of each class, by the first digit of a status; a request without an answer is mod_wsgi's 500"""


@dataclass(frozen=True)
class Histogram:
    """Where one lies: a count for each bucket, one for what is larger, and the sum of all."""

    first: int
    bounds: tuple[float, ...]

    @property
    def sum(self) -> int:
        """Index of the cell with the sum of all observations."""
        return self.first + len(self.bounds) + 1

    @property
    def end(self) -> int:
        """Index of the first cell after the histogram's."""
        return self.sum + 1


SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
COUNTS = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
QUEUE = Histogram(RESPONSES + len(CLASSES), SECONDS)
APPLICATION = Histogram(QUEUE.end, SECONDS)
DATABASE = Histogram(APPLICATION.end, SECONDS)
STATEMENTS = Histogram(DATABASE.end, COUNTS)
REQUEST = Histogram(STATEMENTS.end, SECONDS)
SIZE = REQUEST.end * BYTES
"""bytes of a file"""
VERSION = 2
"""of this layout; a file of another is begun anew"""


Answer = tuple[float, float, float, str, float, int]
"""seconds in the queue, of the application, and of its thread; status; of the application's seconds
those of the database, and statements"""


class Meter:
    """Of one process."""

    def __init__(self, cells: Any) -> None:
        self.cells, self._lock = cells, threading.Lock()
        self._answers: deque[Answer] = deque()

    def answered(self, queue: float, worked: float, held: float, status: str) -> None:
        """A request was, after `queue` seconds: `worked` seconds of the application, while its
        thread was `held`.

        It is counted later, many at a time: one by one, between pages, takes four times as long
        (loadtest/studies/measuring.py).
        """
        spent = CURRENT
        self._answers.append((queue, worked, held, status, spent.seconds, spent.statements))

    def count(self) -> None:
        """All that were answered until now."""
        with self._lock:
            while self._answers:
                self._count(*self._answers.popleft())

    def _count(
        self, queue: float, worked: float, held: float, status: str, waited: float, statements: int
    ) -> None:
        cells = self.cells
        cells[PLACES.get(status[:1], PLACES["5"])] += 1
        cells[HELD] += held
        _observe(cells, QUEUE, queue)
        _observe(cells, APPLICATION, worked)
        _observe(cells, DATABASE, waited)
        _observe(cells, STATEMENTS, statements)
        _observe(cells, REQUEST, queue + worked)

    def gave_up(self, waited: float) -> None:
        """A request had waited too long for a thread."""
        with self._lock:
            self.cells[LATE] += 1
            _observe(self.cells, QUEUE, waited)
            _observe(self.cells, REQUEST, waited)

    def look(self, busy: int) -> None:
        """Count, and note the time, the process's memory and how many threads are `busy`; called a
        few times a second."""
        self.count()
        self.cells[SEEN], self.cells[MEMORY], self.cells[BUSY] = time.time(), resident(), busy


def queued(environ: dict[str, Any]) -> float:
    """Seconds until a thread took the request; 0 where the server says nothing of it."""
    try:
        return max(0.0, (int(environ[BEGUN]) - int(environ[QUEUED])) / 1e6)
    except (KeyError, ValueError):
        return 0.0


def _observe(cells: Any, histogram: Histogram, value: float) -> None:
    cells[histogram.first + bisect_left(histogram.bounds, value)] += 1
    cells[histogram.sum] += value


def of(plan: Plan) -> Meter | None:
    """That of this process; None where nothing is to be measured, or cannot be."""
    if plan.metrics is None:
        return None
    try:
        lane = lanes.own(plan.lanes)
        own = opened(Path(plan.metrics.processes), lane.group if lane else MAIN)
    except OSError as error:
        reason = f"{plan.metrics.processes}: {error.strerror}. This process measures nothing."
        print(reason, file=sys.stderr, flush=True)
        return None
    atexit.register(own.count)
    return own


def opened(directory: Path, group: str = MAIN) -> Meter:
    """On the group's first file that no living process has. Raises OSError."""
    for number in range(MOST_FILES):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(directory / NAME.format(group, number), flags, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Meter(_mapped(file))  # the descriptor stays open, and with it the lock
        except BlockingIOError:
            os.close(file)
        except OSError:
            os.close(file)
            raise
    raise OSError(0, f"{MOST_FILES} processes measure there already")


def _mapped(file: int) -> Any:
    if os.fstat(file).st_size != SIZE:
        os.ftruncate(file, 0)
    os.posix_fallocate(file, 0, SIZE)
    cells = memoryview(mmap.mmap(file, SIZE)).cast("d")
    if cells[LAYOUT] != VERSION:
        for place in range(len(cells)):
            cells[place] = 0
    cells[LAYOUT], cells[BUSY] = VERSION, 0
    cells[STARTS] += 1
    cells[SINCE] = cells[SEEN] = time.time()
    return cells
