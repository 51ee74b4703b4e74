"""Which of the two instances of Apache gets the next connection, in stackctl's own words."""

from __future__ import annotations

import psutil

from pgstack.ops import listening

from .safe import StackctlError


def choose(process: int, port: int, place: int) -> None:
    """Give every new connection on `port` to the listener at `place` (see
    pgstack.ops.listening).

    Raises StackctlError where the kernel does not let us.
    """
    try:
        listening.choose(process, port, place)
    except (OSError, psutil.AccessDenied) as error:
        raise StackctlError(
            f"port {port}: the kernel does not let stackctl choose who is given new connections "
            f"({error}). "
            "It takes Linux 5.6 and, in a container, CAP_SYS_PTRACE."
        ) from None
