"""What one program prints goes into another, unread by this process."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from pgstack.errors import TargetError


def pipe(
    first: Sequence[str], second: Sequence[str], environment: Mapping[str, str] | None = None
) -> None:
    """Raises TargetError with what the one said that failed, the second before the first: that may
    only have lost its reader."""
    with tempfile.TemporaryFile() as complaint, tempfile.TemporaryFile() as answer:
        with subprocess.Popen(
            first,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaint,
        ) as source:
            done = subprocess.run(
                second,
                env=environment,
                stdin=source.stdout,
                stdout=subprocess.DEVNULL,
                stderr=answer,
                check=False,
            )
        for said, code in ((answer, done.returncode), (complaint, source.returncode)):
            said.seek(0)
            if code:
                raise TargetError(reason(said.read().decode(errors="replace")))


def reason(said: str) -> str:
    """The line of a program's complaints that says what is wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next(
        (line for line in lines if "Fatal:" in line or "error:" in line), "".join(lines[:1])
    )
