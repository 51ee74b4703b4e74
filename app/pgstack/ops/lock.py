"""One command at a time."""

from __future__ import annotations

import fcntl
import time

POLL_SECONDS = 0.05


def acquired(handle: int, seconds: float) -> bool:
    """Whether this process got the exclusive lock of what `handle` has open within so many seconds.

    The kernel lets go of it when the last process that has `handle` ends, however it does.
    """
    deadline = time.monotonic() + seconds
    while not _acquire(handle):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _acquire(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
