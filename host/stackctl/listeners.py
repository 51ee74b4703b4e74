"""Which of the two instances of Apache gets the next connection, and who waits there, in
stackctl's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from pgstack.ops import listening

from .safe import StackctlError


def choose(process: int, port: int, place: int) -> None:
    """Give every new connection on `port` to the listener at `place` (see
    pgstack.ops.listening).

    Raises StackctlError where the kernel does not let us.
    """
    with _explained(port):
        listening.choose(process, port, place)


def wait_until_accepted(process: int, port: int, seconds: float) -> bool:
    """Whether all connections at `process` on `port` were accepted in time (see
    pgstack.ops.listening). Raises StackctlError where the kernel does not tell us."""
    with _explained(port):
        return listening.wait_until_accepted(process, port, seconds)


@contextmanager
def _explained(port: int) -> Iterator[None]:
    try:
        yield
    except (OSError, psutil.AccessDenied) as error:
        raise StackctlError(
            f"port {port}: the kernel does not let stackctl choose who is given new connections "
            f"({error}). "
            "It takes Linux 5.6 and, in a container, CAP_SYS_PTRACE."
        ) from None
