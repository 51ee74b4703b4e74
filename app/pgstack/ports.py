"""What is free on the loopback interface, for stacks that come and go."""

from __future__ import annotations

import socket

from pgstack.errors import TargetError


def free_port() -> int:
    """A TCP port that nobody listens on at 127.0.0.1; whoever binds next may be given it too."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def free_address(port: int) -> str:
    """A loopback address on which `port` is free: something else may have it on 127.0.0.1.

    Raises TargetError when it is taken on all of them.
    """
    for last in range(1, 255):
        address = f"127.0.0.{last}"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return address
    raise TargetError(f"port {port} is taken on every loopback address. Stop one that listens there.")
