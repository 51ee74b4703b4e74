"""Upgrades: what runs programs or libraries that a package has replaced since is handed over to new
processes."""

from __future__ import annotations

import time
from pathlib import Path

from . import system
from .registry import SERVERS
from .safe import StackctlError
from .stack import Stack

LOCKS = (Path("/var/lib/dpkg/lock-frontend"), Path("/var/lib/dpkg/lock"))
"""held while packages change: the first by apt from before its first dpkg until after its last"""
SETTLE_SECONDS = 3
"""that the locks must be free: unattended-upgrades lets go of them between its steps"""
BUSY_SECONDS = 3600
"""the longest that packages may change for"""
ROUNDS = 3
"""packages may change again while processes are replaced"""


def replace(stack: Stack) -> str:
    """Hand over what runs files that are gone, once no package changes any more; returns what was
    done.

    PostgreSQL is left alone: its package restarts it. Raises StackctlError with what could not be
    replaced and serves on.
    """
    done: list[str] = []
    for _ in range(ROUNDS):
        _settle()
        with system.exclusive_lock(stack.run):
            outdated = [
                name
                for name, server in SERVERS.items()
                if server.outdated and server.outdated(stack)
            ]
            done += _restart(stack, outdated)
        if not outdated:
            break
    return "\n".join(done) or "nothing that runs was replaced"


def _restart(stack: Stack, servers: list[str]) -> list[str]:
    """Replace each, also when another refuses. Raises StackctlError at the end."""
    done, refused = [], []
    for name in servers:
        try:
            done.append(f"{name:<10} {SERVERS[name].apply(stack, again=True)}")
        except StackctlError as error:
            refused.append(f"{name}: {error}")
    if refused:
        raise StackctlError("\n".join(refused))
    return done


def _settle() -> None:
    """Wait until no package has changed for a moment. Raises StackctlError when that takes too
    long."""
    deadline = time.monotonic() + BUSY_SECONDS
    while _busy() or not _stays_free():
        if time.monotonic() > deadline:
            raise StackctlError(
                f"packages have been changing for more than {BUSY_SECONDS} s. See `ps -C "
                "apt,apt-get,dpkg`."
            )
        time.sleep(1)


def _stays_free() -> bool:
    return not system.wait(_busy, SETTLE_SECONDS)


def _busy() -> bool:
    """Whether somebody holds one of the locks; a try to take one could get in somebody's way."""
    inodes = {str(path.stat().st_ino) for path in LOCKS if path.exists()}
    held = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any(
        field.rpartition(":")[2] in inodes
        for fields in held
        for field in fields
        if field.count(":") == 2
    )
