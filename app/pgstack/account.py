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
    existing = next(path for path in directory.parents if path.exists())
    for goal in (layout.PROJECT / "app", existing):
        for step in (*reversed(goal.parents), goal):
            if not _enters(entry, step):
                raise TargetError(
                    f"{step}: the account {name} may not enter it, and the stack does not run as root. "
                    f"Let it in with `chmod o+x {step}`, or use a directory that everybody may enter, such as /srv."
                )
    directory.mkdir(parents=True, exist_ok=True)
    os.chown(directory, entry.pw_uid, entry.pw_gid)


def _enters(entry: pwd.struct_passwd, path: Path) -> bool:
    """Asked as that account, so that groups and access control lists count."""
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    command = ["test", "-x", str(path)]
    asked = subprocess.run(command, user=entry.pw_uid, group=entry.pw_gid, extra_groups=groups, check=False)
    return asked.returncode == 0
