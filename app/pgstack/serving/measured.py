"""The files in which web processes measure (pgstack.serving.meter), read.

Code that runs in a page can write there. So files that do not hold numbers are skipped, and none is
mapped: truncating a mapped file would kill its reader.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pgstack.planning import lanes
from pgstack.planning.plan import Plan
from pgstack.serving import meter

NUMBERS = struct.Struct(f"{meter.SIZE // meter.BYTES}d")
FILE = re.compile(rf"(?:{meter.MAIN}|{lanes.PREFIX}([a-z0-9-]{{1,20}}))-(\d{{1,4}})")


@dataclass(frozen=True)
class Process:
    """A file: its number, whether a living process has it, its numbers, and the lane of its
    processes; empty for that of all other pages."""

    number: str
    lives: bool
    cells: Sequence[float]
    lane: str = ""


def read(plan: Plan) -> list[Process]:
    """All files there are. Raises OSError where there is no directory of them."""
    directory = Path(plan.metrics.processes if plan.metrics else "")
    names = filter(None, (FILE.fullmatch(path.name) for path in sorted(directory.iterdir())))
    read = (_process(directory / name[0], name[2], name[1] or "") for name in names)
    return [process for process in read if process]


def _process(path: Path, number: str, lane: str) -> Process | None:
    with suppress(OSError, ValueError, struct.error):
        # A pipe would wait for somebody to write, and a link might lead anywhere.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return None
            cells = NUMBERS.unpack(os.pread(file, NUMBERS.size, 0))
            if cells[meter.LAYOUT] == meter.VERSION and all(map(_is_sane, cells)):
                return Process(number, _is_locked(file), cells, lane)
        finally:
            os.close(file)
    return None


def _is_sane(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
