"""Paths that root opens where a lesser account may have changed what lies there.

Every step is taken from the descriptor of the directory before it. A link is followed only where
only root (or the account of this process) could have put it; below a directory that others
may write, never. So nothing that is renamed or linked meanwhile leads elsewhere. Standard library
only, and what it imports lies beside it: Ansible's module stack_files has both.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from . import replacing

LIMIT = 16 * 1024**2
"""bytes of a file that is read whole: nothing of a stack is longer, and root must not be made to
read without end"""
LINKS = 40
"""followed on the way to one path, as the kernel does"""
OTHERS = stat.S_IWGRP | stat.S_IWOTH


class StackctlError(Exception):
    """What was not done, why, what serves on, and the remedy."""


class UnsafePath(StackctlError):
    """Something lies there that root does not touch: a link, a device, or a file with a second
    name."""


@contextmanager
def directory(path: Path) -> Iterator[int]:
    """Descriptor of a directory. Raises UnsafePath for a link that others may have put there,
    OSError without one."""
    handle = _walk(path)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def file(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading. Raises UnsafePath for anything else, OSError when there is
    none."""
    with directory(path.parent) as parent, os.fdopen(regular(parent, path), "rb") as opened:
        yield opened


def read(path: Path, limit: int = LIMIT) -> bytes:
    """Content of a regular file of at most `limit` bytes. Raises UnsafePath, OSError."""
    with file(path) as opened:
        content = opened.read(limit + 1)
    if len(content) > limit:
        raise UnsafePath(
            f"{path}: longer than {limit} bytes; nothing was read. Remove what does not belong "
            f"there."
        )
    return content


def contents(path: Path) -> dict[str, bytes]:
    """The regular files of a directory by name, without links and subdirectories; empty when there
    is none."""
    files = {}
    with suppress(FileNotFoundError), directory(path) as handle:
        for name in sorted(os.listdir(handle)):  # noqa: PTH208 - a descriptor
            with (
                suppress(UnsafePath, FileNotFoundError),
                os.fdopen(regular(handle, path / name), "rb") as opened,
            ):
                files[name] = opened.read(LIMIT)
    return files


def write(
    path: Path, content: bytes, mode: int = 0o644, owner: str = "root", group: str = "root"
) -> None:
    """A file with this content, owner and mode, complete before it is there; what was there is
    replaced, not opened."""
    with directory(path.parent) as parent, replacing.replacing(parent, path.name) as fresh:
        replacing.make(parent, fresh, content, mode, *_numbers(owner, group))


def link(path: Path, target: str) -> None:
    """Point a symbolic link elsewhere, without a moment in which it is not there."""
    with directory(path.parent) as parent, replacing.replacing(parent, path.name) as fresh:
        os.symlink(target, fresh, dir_fd=parent)


def make_directory(path: Path, mode: int = 0o755, owner: str = "root", group: str = "root") -> None:
    """A directory with this owner and mode, whether it is there already or not. Raises UnsafePath,
    OSError."""
    with suppress(FileNotFoundError), directory(path) as handle:
        _set_owner_and_mode(handle, mode, owner, group)
        return
    with directory(path.parent) as parent:
        os.mkdir(path.name, 0o700, dir_fd=parent)
        handle = _step(parent, path.name, path)
        try:
            _set_owner_and_mode(handle, mode, owner, group)
        finally:
            os.close(handle)


def set_owner(path: Path, mode: int, owner: str = "root", group: str = "root") -> None:
    """Owner and mode of a regular file that is there. Raises UnsafePath for anything else, OSError
    without one."""
    with directory(path.parent) as parent:
        handle = regular(parent, path)
        try:
            if os.fstat(handle).st_nlink > 1:
                raise UnsafePath(
                    f"{path}: has a second name elsewhere; nothing was changed. Remove it."
                )
            _set_owner_and_mode(handle, mode, owner, group)
        finally:
            os.close(handle)


def remove(path: Path) -> None:
    """No such name any more: a file, a link (not where it leads) or a directory with all that is in
    it."""
    with suppress(FileNotFoundError), directory(path.parent) as parent:
        replacing.remove(parent, path.name)


def _walk(path: Path) -> int:
    """Descriptor of a directory, step by step from the root of the file system."""
    waiting, links = _parts(path), 0
    handle, place = _root(), Path("/")
    try:
        while waiting:
            name = waiting.pop()
            target = _link(handle, name) if _is_closed(os.fstat(handle)) else None
            if target is None:
                place /= name
                following = _step(handle, name, place)
            else:
                links += 1
                _require_end(path, links)
                waiting += _parts(place / target)
                following, place = _root(), Path("/")
            os.close(handle)
            handle = following
    except BaseException:
        os.close(handle)
        raise
    return handle


def _root() -> int:
    return os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _parts(path: Path) -> list[str]:
    """Names on the way from the root, the first one last."""
    return list(reversed(Path(os.path.abspath(path)).parts[1:]))  # noqa: PTH100 - resolve() follows links


def _require_end(path: Path, links: int) -> None:
    if links > LINKS:
        raise UnsafePath(f"{path}: more than {LINKS} links on the way. Remove them.")


def _is_closed(status: os.stat_result) -> bool:
    """Whether only root, or the account of this process, puts names there."""
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & OTHERS


def _link(parent: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError:  # none, or nothing there
        return None


def _step(parent: int, name: str, path: Path) -> int:
    try:
        return os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent
        )
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UnsafePath(
                f"{path}: a link, or not a directory; nothing was changed. Remove it."
            ) from None
        raise OSError(error.errno, error.strerror, str(path)) from None


def regular(parent: int, path: Path) -> int:
    """Descriptor of `path`, in the directory `parent`, for reading; no pipe makes root wait. Raises
    UnsafePath."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        handle = os.open(path.name, flags, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise UnsafePath(f"{path}: not a regular file; it was not read. Remove it.") from None
        raise OSError(error.errno, error.strerror, str(path)) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnsafePath(f"{path}: not a regular file; it was not read. Remove it.")
    return handle


def _set_owner_and_mode(handle: int, mode: int, owner: str, group: str) -> None:
    """Owner first: a change of it takes bits of the mode away."""
    os.fchown(handle, *_numbers(owner, group))
    os.fchmod(handle, mode)


def _numbers(owner: str, group: str) -> tuple[int, int]:
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
