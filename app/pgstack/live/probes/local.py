"""Processes of the local target, and what a command that was killed leaves to be seen."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import psutil

from pgstack.errors import ProbeError
from pgstack.planning.plan import Plan


def processes(plan: Plan) -> list[psutil.Process]:
    """Everything that the stack's supervisor started. Raises ProbeError when it does not run."""
    return supervisor(plan).children(recursive=True)


def supervisor(plan: Plan) -> psutil.Process:
    """The stack's supervisor. Raises ProbeError when it does not run."""
    path = f"{plan.paths.root}/run/supervisord.pid"
    try:
        process = psutil.Process(int(Path(path).read_text()))
        if process.status() == psutil.STATUS_ZOMBIE:
            raise ProbeError(f"{path}: process {process.pid} has ended")
    except (OSError, ValueError, psutil.NoSuchProcess) as error:
        raise ProbeError(f"{path}: {error}") from error
    return process


def stopped(plan: Plan) -> list[psutil.Process]:
    """Processes of the stack that a signal has stopped (SIGSTOP), the supervisor included; a
    debugger's are not."""
    halted = []
    with suppress(ProbeError):
        for process in (supervisor(plan), *processes(plan)):
            with suppress(psutil.NoSuchProcess):
                if process.status() == psutil.STATUS_STOPPED:
                    halted.append(process)
    return halted


def busy(plan: Plan) -> bool:
    """Whether a command works on the stack's directory: it holds the lock of
    `targets.directory`."""
    handle = os.open(plan.paths.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def unfinished(plan: Plan) -> Path:
    """File with the name of the command (`reload`, `release`) that is changing what runs; one that
    was cut off leaves it behind."""
    return Path(plan.paths.root, "run/unfinished")


def cut_off(plan: Plan) -> str:
    """Name of the command that was killed while it changed what runs; empty when there was none."""
    with suppress(FileNotFoundError):
        return "" if busy(plan) else unfinished(plan).read_text()
    return ""
