"""Virtual environments that releases share, below `paths.root`: each made once, for as long as a
release that is kept leads to it.

Its name says all that decides what is in it. It becomes root's before a release leads to it, and
is complete only with the mark that is written last: what is cut off is made anew. Nothing that runs
may write into it, and the commands that a project builds with may not either (docs/decisions/0023).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from pgstack.planning.dependencies import COMPLETE

from . import safe, system
from .safe import StackctlError
from .stack import Stack

LOCK = "build.lock"
"""held by who builds a release"""


def of_release(stack: Stack, release: Path, required: str, variables: str) -> Path:
    """The directory of the environment for what is `required` (pgstack.targets.host.release), to
    which `release` leads from now on; it may be still to be made."""
    decides = (required, stack.versions.python, stack.packages.web, variables)
    name = hashlib.sha256(repr(decides).encode()).hexdigest()[:12]
    environment = stack.root / "environments" / name
    safe.remove(release / "venv")
    safe.link(release / "venv", str(environment))
    return environment


def is_complete(environment: Path) -> bool:
    """Whether it was made to its end."""
    return (environment / COMPLETE).is_file()


def complete(environment: Path) -> None:
    """Mark it, once all of it is on the disk: a power cut after this takes nothing of it."""
    os.sync()
    safe.write(environment / COMPLETE, b"")


def clear(stack: Stack) -> None:
    """Delete those that no release leads to, unless a release is being built, which may need
    one."""
    with suppress(StackctlError), system.exclusive_lock(stack.run, LOCK, seconds=0):
        links = (stack.root / "releases").glob("*/venv")
        used = {link.readlink() for link in links if link.is_symlink()}
        for path in (stack.root / "environments").iterdir():
            if path not in used:
                safe.remove(path)
