"""A page that wanted to write where no target lets it: the traceback says which directory, and
which input helps."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgstack.planning import targets
from pgstack.planning.plan import Plan
from pgstack.planning.state import current_plan

REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def explain(**_: Any) -> None:
    """Add a note to what is being handled, which every traceback of it shows. Receiver of
    `got_request_exception`."""
    for error in _chain(sys.exc_info()[1]):
        if (
            isinstance(error, OSError)
            and error.errno in REFUSED
            and error.filename
            and _writes(error)
        ):
            error.add_note(remedy(current_plan(), Path(os.fsdecode(error.filename))))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _writes(error: OSError) -> bool:
    """Whether it was about writing: what is not there cannot have been read."""
    path = os.fsdecode(error.filename)
    return error.errno == errno.EROFS or not os.path.lexists(path) or os.access(path, os.R_OK)


def remedy(plan: Plan, path: Path) -> str:
    """What to do for a page that may not write to `path`."""
    place = path if path.is_dir() else path.parent
    name = targets.of(plan.target).input("data")
    return (
        f"{place}: pages write to uploads, a cache and /tmp only, on every target. "
        f"{name}=DATA_DIR, say, makes a "
        "directory that outlives releases: let the project's settings take os.environ['DATA_DIR'] "
        "in place of this one."
    )
