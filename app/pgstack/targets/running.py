"""What runs of the local target in a directory, found by its processes, whether or not the
directory is still there.

A server whose directory was deleted or moved away is an orphan: no socket leads to it, and its port
stays taken. As a program this file prints the names of what runs where the inputs say.
"""

from __future__ import annotations

import os
import pwd
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pgstack.errors import ends_the_process
from pgstack.planning import layout, services, state
from pgstack.targets import orphans as processes

SUPERVISOR = "supervisord"
SERVERS = {
    program: (service.name, signal.Signals[f"SIG{service.stop_signal}"])
    for service in reversed(services.SERVICES)
    for program in service.programs
}
"""name and stop signal by program, in the order in which they stop"""
STOP_SECONDS = 20
DELETED = " (deleted)"
"""what the kernel appends to a directory that is gone"""


@dataclass(frozen=True)
class Running:
    """A process of a stack: supervisord, or a server's first process or child."""

    name: str
    process: psutil.Process
    is_orphan: bool


def find_running(root: Path) -> list[Running]:
    """What runs of the stack in `root`: only processes of the account that runs it, and none of a
    container that knows the same path."""
    uid = _account(root)
    named = [
        (name, process) for process in processes.readable() if (name := _name(process, root, uid))
    ]
    gone = {processes.group(process) for _, process in named if _is_gone(process, root)}
    return [Running(name, process, processes.group(process) in gone) for name, process in named]


def orphans(root: Path) -> list[Running]:
    """Those whose directory is no longer `root`."""
    return [server for server in find_running(root) if server.is_orphan]


def end(running: list[Running]) -> None:
    """Stop them: first supervisord, which stops its servers and would start them again, then what
    is left."""
    processes.end(_named(running, SUPERVISOR), signal.SIGTERM, 2 * STOP_SECONDS)
    for name, stop_signal in SERVERS.values():
        processes.end(_named(running, name), stop_signal, STOP_SECONDS)


def names(running: list[Running]) -> list[str]:
    """Each name once, with the process that was there first."""
    first: dict[str, int] = {}
    for server in sorted(running, key=lambda server: server.process.create_time()):
        first.setdefault(server.name, server.process.pid)
    return [f"{name} (process {pid})" for name, pid in sorted(first.items())]


def _named(running: list[Running], name: str) -> list[psutil.Process]:
    return [
        server.process for server in running if server.name == name and server.process.is_running()
    ]


def _account(root: Path) -> int | None:
    """Number of the account that runs the stack in `root`; None where there is no such account."""
    if os.geteuid():
        return os.geteuid()
    if root.is_dir() and (owner := root.stat().st_uid):
        return owner
    with suppress(KeyError):
        return pwd.getpwnam(layout.accounts(state.inputs()).web).pw_uid
    return None


def _name(process: psutil.Process, root: Path, uid: int | None) -> str:
    """What it is of the stack in `root`; empty when it is nothing of it."""
    with suppress(psutil.Error):
        if process.uids().real != uid:
            return ""
        if {"supervisor.supervisord", f"{root}/supervisord.conf"} <= set(process.cmdline()):
            return SUPERVISOR
        server = SERVERS.get(Path(process.exe().removesuffix(DELETED)).name)
        if server and process.environ().get(processes.MARK) == f"{root}/conf/plan.json":
            return server[0]
    return ""


def _is_gone(process: psutil.Process, root: Path) -> bool:
    """Whether it works in what is no longer `root`. Web processes work elsewhere: they go with the
    others of their group."""
    with suppress(psutil.Error):
        title, directory = " ".join(process.cmdline()), Path(process.cwd())
        return not title.startswith(services.DAEMON) and not (
            directory.is_relative_to(root) and _is(directory, process)
        )
    return False


def _is(directory: Path, process: psutil.Process) -> bool:
    """Whether the process works in what now has this name: psutil names a deleted one, too."""
    with suppress(OSError):
        return directory.samefile(f"/proc/{process.pid}/cwd")
    return False


def main() -> None:
    """Print what runs, one name a line."""
    with ends_the_process():
        root = layout.stack_directory(state.inputs())
        _become(_account(root))
        for name in names(find_running(root)):
            print(name)


def _become(uid: int | None) -> None:
    """For root: the account itself, whose processes not even root may look at where it has no
    CAP_SYS_PTRACE, as in a container."""
    if os.geteuid() == 0 and uid:
        os.setgroups([])
        os.setgid(pwd.getpwuid(uid).pw_gid)
        os.setuid(uid)


if __name__ == "__main__":
    main()
