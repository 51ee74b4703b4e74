"""What is free on the loopback interface, for stacks that come and go."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from pgstack.errors import TargetError

PORTS = range(10_000, 32_000)
"""below those of outgoing connections (ip_local_port_range), each of which holds its port for a
while"""


def free_port() -> int:
    """A TCP port that is free at 127.0.0.1; the next caller may get the same one.

    Raises TargetError when none is found.
    """
    for port in random.sample(PORTS, k=100):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise TargetError("no free port found on 127.0.0.1. Stop something that listens there.")


def free_address(port: int) -> str:
    """A loopback address on which `port` is free, drawn so that the next caller gets another one.

    Raises TargetError when none is found.
    """
    for _ in range(100):
        address = ".".join(map(str, (127, *random.sample(range(1, 255), k=3))))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((address, port))
                return address
    raise TargetError(
        f"port {port} is taken on every loopback address. Stop one that listens there."
    )
