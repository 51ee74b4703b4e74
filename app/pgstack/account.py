"""Root never runs the local target: it becomes the account that owns the stack's directory."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from pgstack import layout
from pgstack.errors import TargetError


def assume(name: str) -> None:
    """Become `name` for good; does nothing for anybody but root."""
    if os.geteuid() != 0 or name == "root":
        return
    entry = pwd.getpwnam(name)
    os.initgroups(name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.update(HOME=entry.pw_dir, USER=name, LOGNAME=name)


def assume_owner(directory: Path) -> None:
    """Become the account that owns `directory`, when root asks and the directory exists."""
    if os.geteuid() == 0 and directory.is_dir():
        uid = directory.stat().st_uid
        if uid != 0:
            assume(pwd.getpwuid(uid).pw_name)


def prepare(name: str, directory: Path) -> None:
    """As root: make the account and its directory, and see that it can reach the checkout.

    Raises TargetError naming the directory that the account cannot enter.
    """
    if os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin", name]
        subprocess.run(command, check=True)
        entry = pwd.getpwnam(name)
    closed = [path for path in (layout.PROJECT, *layout.PROJECT.parents, *directory.parents) if _closed(path)]
    if closed:
        raise TargetError(
            f"{closed[-1]}: the account {name} may not enter it, and the stack does not run as root. "
            f"Clone into a directory that everybody may enter, such as /srv, or start it as another user."
        )
    directory.mkdir(exist_ok=True)
    os.chown(directory, entry.pw_uid, entry.pw_gid)


def _closed(path: Path) -> bool:
    return path.is_dir() and not path.stat().st_mode & 0o001
