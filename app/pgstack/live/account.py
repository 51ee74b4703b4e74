"""Root never runs the local target: it becomes the account that owns the stack's directory."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from pgstack.errors import InputError, TargetError
from pgstack.planning import layout
from pgstack.planning.account_names import account_name


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
            assume(account_name(uid))


def require(name: str, directory: Path, project: Path) -> None:
    """The caller can run a stack in `directory`, of what is in `project`, as the account `name`.

    Raises TargetError or InputError, which name what is in the way; changes nothing.
    """
    if name == "root":
        raise InputError(
            "STACK_ACCOUNT=root: PostgreSQL does not run as root. Unset it or name another account."
        )
    me = os.geteuid()
    if directory.is_dir() and (uid := directory.stat().st_uid) != me:
        owner = account_name(uid)
        if me != 0 or owner != name:
            raise TargetError(
                f"{directory}: belongs to {owner}. Start the stack as {owner}, or set another "
                f"STACK_DIR."
            )
    if me != 0 and name != account_name(me):
        raise InputError(
            f"STACK_ACCOUNT={name}: {account_name(me)} cannot become another account, and "
            f"STACK_DIR stays with "
            "the account that made it. Unset it."
        )
    if me != 0:
        return
    existing = next(path for path in directory.parents if path.exists())
    for goal in (layout.CHECKOUT / "app", project, existing):
        for step in (*reversed(goal.parents), goal):
            if not _enters(name, step):
                raise TargetError(
                    f"{step}: the account {name} may not enter it, and the stack does not run as "
                    f"root. "
                    f"Let it in with `chmod o+x {step}`, or use a directory that everybody may "
                    f"enter, such as /srv."
                )


def prepare(name: str, directory: Path) -> None:
    """Make `directory`; as root also the account that it then belongs to.

    Raises TargetError naming what could not be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            entry = _ensure_account(name)
            os.chown(directory, entry.pw_uid, entry.pw_gid)
    except OSError as error:
        raise TargetError(
            f"STACK_DIR={directory}: {error.strerror}. Set STACK_DIR to a directory you can "
            "write to."
        ) from None


def enter(name: str, directory: Path, project: Path) -> None:
    """Become `name`, with `directory` its own. Raises TargetError or InputError."""
    require(name, directory, project)
    prepare(name, directory)
    assume(name)


def _ensure_account(name: str) -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(name)
    command = [
        "useradd",
        "--system",
        "--no-create-home",
        "--home-dir",
        "/",
        "--shell",
        "/usr/sbin/nologin",
        name,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TargetError(
            f"STACK_ACCOUNT={name}: {done.stderr.strip()}. Make the account, or name one that "
            f"exists."
        )
    return pwd.getpwnam(name)


def _enters(name: str, path: Path) -> bool:
    """Asked as that account, so that groups and access control lists count; one that is not made
    yet has neither."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return bool(path.stat().st_mode & stat.S_IXOTH)
    groups = os.getgrouplist(name, entry.pw_gid)
    command = ["test", "-x", str(path)]
    asked = subprocess.run(
        command, user=entry.pw_uid, group=entry.pw_gid, extra_groups=groups, check=False
    )
    return asked.returncode == 0
