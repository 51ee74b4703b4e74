"""One request in the logs of this host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pgstack.errors import InputError
from pgstack.ops import trace

from . import safe
from .safe import StackctlError
from .stack import Stack


def told(stack: Stack, number: str) -> str:
    """What they have of it, in order of time. Raises StackctlError when that is nothing."""
    try:
        return trace.told(number, _lines(stack))
    except InputError as error:
        raise StackctlError(str(error)) from None


def _lines(stack: Stack) -> Iterator[str]:
    """Of each log, the file before it first. They belong to servers, which may have put anything
    there."""
    cluster = f"postgresql-{stack.versions.postgresql}-{stack.names.cluster}.log"
    logs = (stack.paths.access_log, stack.paths.error_log, f"/var/log/postgresql/{cluster}")
    for path in (Path(f"{log}{older}") for log in logs for older in (".1", "")):
        with suppress(FileNotFoundError), safe.file(path) as opened:
            for line in opened:
                yield line.decode(errors="replace")
