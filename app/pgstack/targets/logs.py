"""Logs of the local target that supervisord does not keep small.

Pages may write beside them, and this process may be less confined than they are: it follows no
link.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from pgstack.planning import layout

OWN = os.O_NOFOLLOW | os.O_CLOEXEC


def appended(log: Path) -> IO[bytes]:
    """The log, to add to. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | OWN
    return os.fdopen(os.open(log, flags, 0o600), "ab", buffering=0)


def rotate(log: Path, most: int = layout.LOG_BYTES, kept: int = layout.LOGS_KEPT) -> None:
    """Copy a log that has grown to `most` bytes and empty it; its writer adds at its end wherever
    that is.

    Lines that come between the two are lost.
    """
    with suppress(OSError), os.fdopen(os.open(log, os.O_RDWR | OWN), "r+b") as file:
        if os.fstat(file.fileno()).st_size < most:
            return
        for number in range(kept, 1, -1):
            with suppress(FileNotFoundError):
                Path(f"{log}.{number - 1}").replace(f"{log}.{number}")
        with suppress(OSError):  # a full disk: emptying it is what helps
            _copy(file, Path(f"{log}.1"))
        file.truncate(0)


def _copy(file: IO[bytes], copy: Path) -> None:
    copy.unlink(missing_ok=True)
    handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OWN, 0o600)
    with os.fdopen(handle, "wb") as target:
        shutil.copyfileobj(file, target)
