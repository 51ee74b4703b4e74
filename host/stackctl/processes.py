"""A server's process and all below it: their niceness, work and state, and what they run."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil

GONE = " (deleted)"


def renice(process: int, niceness: int) -> None:
    """Set the niceness of a process and of all below it, which those that it starts later
    inherit."""
    for member in _family(process):
        with suppress(psutil.Error):
            member.nice(niceness)


def is_quiet(process: int, seconds: float) -> bool:
    """Whether it and all below it leave the processors alone for so long."""
    before = _used(process)
    time.sleep(seconds)
    return _used(process) == before


def stopped(process: int) -> list[int]:
    """Those of it and all below it that a signal has stopped; a debugger's have another state."""
    numbers = []
    for member in _family(process):
        with suppress(psutil.Error):
            if member.status() == psutil.STATUS_STOPPED:
                numbers.append(member.pid)
    return numbers


def gone(process: int) -> list[str]:
    """Files below /usr that it and all below it run and that are not there any more.

    Read here (proc_pid_maps(5)): psutil leaves the word out that says so.
    """
    files = set()
    for number in numbers(process):
        with suppress(OSError):
            lines = (
                line.split(maxsplit=5)
                for line in Path(f"/proc/{number}/maps").read_text().splitlines()
            )
            files |= {
                line[5]
                for line in lines
                if len(line) > 5 and "x" in line[1] and line[5].startswith("/usr/")
            }
    return sorted(path.removesuffix(GONE) for path in files if path.endswith(GONE))


def numbers(process: int) -> set[int]:
    """Of it and of all below it."""
    return {member.pid for member in _family(process)}


def _used(process: int) -> dict[int, tuple[float, float]]:
    """Processor time of it and of all below it."""
    used = {}
    for member in _family(process):
        with suppress(psutil.Error):
            times = member.cpu_times()
            used[member.pid] = times.user, times.system
    return used


def _family(process: int) -> list[psutil.Process]:
    """It and all processes below it; none where it does not run."""
    try:
        first = psutil.Process(process) if process else None
        return [first, *first.children(recursive=True)] if first else []
    except psutil.NoSuchProcess:
        return []
