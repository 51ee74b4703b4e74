"""Which of several PgBouncers a web process uses, for as long as it lives: mod_wsgi tells a process
its group, and no number."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from contextlib import suppress
from functools import cache

EACH = 1024
"""places of a PgBouncer: twice the processes that inputs may ask for, old and new ones live side by
side"""
CHOOSING = 0
"""byte of who chooses a place"""
PATIENCE_SECONDS, POLL_SECONDS = 1.0, 0.002
"""for others that choose, which takes some milliseconds"""
LOCK = struct.Struct("hhqqi4x")
"""struct flock of Linux: kind, from where, place, length, process"""


@cache
def own(path: str, groups: int) -> int:
    """The one of `groups`, from 0, that has the fewest living processes.

    Each process keeps the lock of a byte in the file `path`, and the kernel lets go of it however
    the process ends: who takes its place finds the gap that it has left. Where there can be no such
    file, by the process's number, which is less even.
    """
    with suppress(OSError):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return _join(os.open(path, flags, 0o600), groups)
    return os.getpid() % groups


def _join(file: int, groups: int) -> int:
    """Locks are the descriptor's, which stays open."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _lock(file, CHOOSING) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    starts = [1 + group * EACH for group in range(groups)]
    held = [[_is_held(file, start + place) for place in range(EACH)] for start in starts]
    group = min(range(groups), key=lambda group: sum(held[group]))
    _lock(file, starts[group] + held[group].index(False))
    _ask(file, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, CHOOSING)
    return group


def _lock(file: int, place: int) -> bool:
    """Whether this process has it now."""
    try:
        _ask(file, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, place)
    except (BlockingIOError, PermissionError):  # fcntl(2): one of both, where another has it
        return False
    return True


def _is_held(file: int, place: int) -> bool:
    """Whether another process has it."""
    return _ask(file, fcntl.F_OFD_GETLK, fcntl.F_WRLCK, place) != fcntl.F_UNLCK


def _ask(file: int, command: int, kind: int, place: int) -> int:
    """Kind of the lock that the kernel answers with (fcntl_locking(2))."""
    asked = LOCK.pack(kind, os.SEEK_SET, place, 1, 0)
    return int(LOCK.unpack(fcntl.fcntl(file, command, asked))[0])
