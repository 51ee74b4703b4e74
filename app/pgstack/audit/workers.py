"""Files read in processes of their own, each file with a bound of memory and of time.

What is over a bound, or ends its process, is named and passed over: one odd file must not take the
report away.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

from pgstack.audit.files import Outcome
from pgstack.audit.finding import Problem

FEW = 60
"""files that one process reads sooner than others start"""
TOGETHER = 16
"""files handed to a process at once"""
MOST_BYTES = 1024**3
"""memory of a process, beside what the program itself has at its start; a usual one takes a
tenth"""
MOST_SECONDS = 30
"""processor time of a file; a usual one takes some milliseconds"""

Read = Callable[[Path, str], Outcome]


class _TimeIsOverError(BaseException):
    """Not an error of the file: nothing on the way may catch it."""


def outcomes(paths: Sequence[Path], names: Sequence[str], read: Read) -> Iterator[Outcome]:
    """What `read` says of each file, in order; a Problem where it does not come to an end."""
    left, singly = list(zip(paths, names, strict=True)), False
    cores = len(os.sched_getaffinity(0))
    while left:
        batch = left[: TOGETHER * cores] if singly else left
        workers, chunk = (1, 1) if singly else (min(cores, 1 + len(left) // FEW), TOGETHER)
        done, broken = 0, False
        try:
            with ProcessPoolExecutor(workers, initializer=_bound) as pool:
                for outcome in pool.map(
                    partial(_finish, read), *zip(*batch, strict=True), chunksize=chunk
                ):
                    done += 1
                    yield outcome
        except BrokenProcessPool:
            broken = True
            if singly:
                yield _passed_over(left[done][1], "the process that read it was ended")
                done += 1
        # One of those that were read together ended its process: one by one shows which.
        left, singly = left[done:], broken and not singly


def _bound() -> None:
    """Called in each process at its start."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft > size + MOST_BYTES:
        resource.setrlimit(resource.RLIMIT_AS, (size + MOST_BYTES, hard))
    signal.signal(signal.SIGVTALRM, _stop)


def _stop(*_: Any) -> None:
    raise _TimeIsOverError


def _finish(read: Read, path: Path, name: str) -> Outcome:
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        return read(path, name)
    except MemoryError:
        return _passed_over(name, f"it takes more than {MOST_BYTES // 1024**2} MB")
    except _TimeIsOverError:
        return _passed_over(name, f"it takes more than {MOST_SECONDS} s")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _passed_over(name: str, reason: str) -> Outcome:
    return [], [], [Problem(name, 0, f"not read: {reason}")]
