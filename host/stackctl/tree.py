"""A tree goes from one account to another: copied by descriptors, without following a link."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from pathlib import Path

from . import safe
from .replacing import replacing
from .safe import UnsafePath

EXECUTABLE = stat.S_IXUSR
FOLDER, PROGRAM, TEXT = 0o755, 0o755, 0o644
"""modes of what is installed: everybody reads, root alone writes, and nothing runs as its owner
(set-user-ID)"""


def install(source: Path, goal: Path, owner: str = "root") -> None:
    """Copy `source` to `goal`, which is not there or empty, as a tree of `owner`, whole before it
    has its name.

    Links stay links. Raises UnsafePath for a pipe, socket or device, OSError; nothing is at `goal`
    then.
    """
    account = pwd.getpwnam(owner)
    with safe.directory(goal.parent) as parent, replacing(parent, goal.name) as fresh:
        os.mkdir(fresh, FOLDER, dir_fd=parent)
        with safe.directory(source) as here, safe.directory(goal.with_name(fresh)) as there:
            _copy(here, there, source)
            if account.pw_uid != os.geteuid():
                _give(there, account)


def _copy(here: int, there: int, shown: Path) -> None:
    for name in os.listdir(here):
        status = os.stat(name, dir_fd=here, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, FOLDER, dir_fd=there)
            _enter(here, there, name, shown / name)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=here), name, dir_fd=there)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(here, there, name, shown / name)
        else:
            raise UnsafePath(
                f"{shown / name}: neither file, directory nor link; nothing was installed."
            )


def _enter(here: int, there: int, name: str, shown: Path) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    inner = os.open(name, flags, dir_fd=here)
    try:
        outer = os.open(name, flags, dir_fd=there)
        try:
            os.fchmod(outer, FOLDER)  # whatever the mask of this process is
            _copy(inner, outer, shown)
        finally:
            os.close(outer)
    finally:
        os.close(inner)


def _give(there: int, account: pwd.struct_passwd) -> None:
    """Give away what no other account has been able to reach yet."""
    for *_, folders, files, handle in os.fwalk(".", dir_fd=there):
        for name in (*folders, *files):
            os.chown(name, account.pw_uid, account.pw_gid, dir_fd=handle, follow_symlinks=False)
    os.fchown(there, account.pw_uid, account.pw_gid)


def _copy_file(here: int, there: int, name: str, shown: Path) -> None:
    handle = safe.regular(here, shown)
    with os.fdopen(handle, "rb") as source:
        kept = os.fstat(handle)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, TEXT, dir_fd=there), "wb") as goal:
            shutil.copyfileobj(source, goal)
            os.fchmod(goal.fileno(), PROGRAM if kept.st_mode & EXECUTABLE else TEXT)
        # Compiled modules name the time of their source.
        os.utime(name, ns=(kept.st_atime_ns, kept.st_mtime_ns), dir_fd=there, follow_symlinks=False)
