"""Write beside, then replace: whoever looks at a name finds its old content or all of the new.

What is made lies beside it, is new (O_EXCL), has its owner and mode, and is on the disk, before it
takes the name; a link at either name is replaced and never followed. All of that happens in one
directory that is open already. What differs is who opens it, and so whom he trusts:

- `directory` here follows links on the way. It is for what one account keeps in a directory of its
  own: nobody else can have put a link there, and an administrator's link is meant.
- `stackctl.safe.directory` follows no link of another account. It is for root, which writes where
  lesser accounts may change what lies on the way.

Standard library only: what a host's Python runs before anything is installed has this file beside
it, by a link (ansible/module_utils, host/stackctl).
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNCHANGED = -1
"""account that a new file keeps: that of this process"""


@contextmanager
def directory(path: Path) -> Iterator[int]:
    """Descriptor of a directory of this account's own; links on the way are followed. Raises
    OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def fresh_name(name: str) -> str:
    """Where that which is to take the place of `name` is made."""
    return f".{name}.new"


@contextmanager
def replacing(parent: int, name: str) -> Iterator[str]:
    """The name in the directory `parent` at which the caller makes a file, a link or a directory;
    then that takes the place of `name`.

    A directory only takes the place of an empty one. After an error nothing is left beside.
    """
    fresh = fresh_name(name)
    remove(parent, fresh)  # of a run that was killed
    try:
        yield fresh
        put_in_place(parent, name)
    finally:
        remove(parent, fresh)


def put_in_place(parent: int, name: str) -> None:
    """Rename what was made beside `name` to `name`."""
    os.replace(fresh_name(name), name, src_dir_fd=parent, dst_dir_fd=parent)


def make(
    parent: int,
    name: str,
    content: bytes,
    mode: int,
    owner: int = UNCHANGED,
    group: int = UNCHANGED,
) -> None:
    """A new file called `name`, which others may read once it has its owner and mode. Raises
    OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb") as file:
        file.write(content)
        file.flush()
        os.fchown(file.fileno(), owner, group)  # first: it takes bits of the mode away
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """A file of this account in a directory of its own. Raises OSError; what was there stays
    then."""
    with directory(path.parent) as parent, replacing(parent, path.name) as fresh:
        make(parent, fresh, content, mode)


def remove(parent: int, name: str) -> None:
    """No such name any more: a file, a link (not where it leads) or a directory with all that is in
    it."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)
