"""What a killed parent left behind: processes without supervision that keep its port.

A child of Apache goes on listening when its parent is killed, so that no new Apache can start. As a
program this file clears the way first: `orphans.py SERVER COMMAND ARGUMENT…` ends what an earlier
run of SERVER left of the same stack, and becomes COMMAND.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "STACK_PLAN"
"""the variable in a server's environment that says which stack it belongs to"""


def find(server: str, plan_file: str) -> list[psutil.Process]:
    """Processes of the program `server` that run for the plan `plan_file`.

    PostgreSQL's children write their title over their environment, so only its first process is
    found; they end when it does.
    """
    return [process for process in readable() if _belongs(process, server, plan_file)]


def readable() -> Iterator[psutil.Process]:
    """Processes that this account may ask for their environment, and that see the same files: those
    of a container may name the same path and mean another directory."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            same = os.getuid() in (0, process.uids().real)
            if same and Path(f"/proc/{process.pid}/root").samefile("/"):
                yield process


def _belongs(process: psutil.Process, server: str, plan_file: str) -> bool:
    with contextlib.suppress(psutil.Error):
        # Redis is started by a link: its name says which of its programs it is.
        same = process.exe() == str(Path(server).resolve())
        return bool(same and process.environ().get(MARK) == plan_file)
    return False


def end(processes: list[psutil.Process], stop: signal.Signals, seconds: float) -> None:
    """Ask the parents among `processes` to stop; after `seconds`, or at once without a parent, kill
    what is left."""
    parents = [process for process in processes if process.pid == group(process)]
    for process in parents:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(stop)
    _, alive = psutil.wait_procs(processes, timeout=seconds if parents else 0)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=seconds)


def group(process: psutil.Process) -> int:
    """Process group; supervisord makes one for each server, whose number is the parent's. 0 when it
    has ended."""
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return 0


def main() -> None:
    """Clear the way for the server that the command line names first, and become the command that
    follows."""
    server, *command = sys.argv[1:]
    for process in find(server, os.environ[MARK]):
        process.kill()
    os.execv(command[0], command)  # noqa: S606 - supervisor waits for this very process


if __name__ == "__main__":
    main()
