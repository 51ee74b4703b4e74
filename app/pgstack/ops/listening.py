"""Who listens on a port of this machine, and which of several gets the next connection.

Both instances of Apache listen with SO_REUSEPORT; the kernel would spread connections over them. A
filter program of one instruction (SO_ATTACH_REUSEPORT_CBPF, socket(7)) names the one that gets them
all: while it starts the new one gets none, and from the switch on the old one gets none, so that
its queue becomes empty. The kernel resets what is still in a queue when its listener ends.

`python -m pgstack.ops.listening choose PROCESS PORT PLACE` and `wait PROCESS PORT SECONDS` are for
where a container has to be entered for it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

SO_ATTACH_REUSEPORT_CBPF = 51
PIDFD_GETFD = 438
"""number of the system call, the same on all architectures"""
NOBODY = frozenset({psutil.CONN_LISTEN, psutil.CONN_TIME_WAIT, psutil.CONN_CLOSE})
"""states in which nobody is on the other side who may ask"""
RETURN_CONSTANT = 0x06
"""BPF_RET | BPF_K (linux/bpf_common.h)"""
QUEUED_AT = 24
"""place of tcpi_unacked in tcp_info (linux/tcp.h); a listener has there how many connections nobody
has accepted yet"""
POLL_SECONDS = 0.1


def descriptor(process: int, port: int) -> int | None:
    """The descriptor with which `process` listens on `port`; None where it does not, or is not
    there. Raises psutil.AccessDenied where this account may not know."""
    with suppress(psutil.NoSuchProcess):
        for connection in psutil.Process(process).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return int(connection.fd)
    return None


def choose(process: int, port: int, place: int) -> None:
    """Give every new connection on `port` to the listener at `place`: 0 is the oldest, 1 the one
    after it.

    `process` is one of those that listen; where it does not, as after a change of port, there is
    nothing to choose. A place that nobody has means: as if nothing was chosen. Raises OSError or
    psutil.AccessDenied where the kernel does not let us: it takes Linux 5.6 and, in a container,
    CAP_SYS_PTRACE.
    """
    theirs = descriptor(process, port)
    if theirs is None:
        return
    with socket.socket(fileno=_borrow(process, theirs)) as listener:
        instruction = ctypes.create_string_buffer(struct.pack("HBBI", RETURN_CONSTANT, 0, 0, place))
        program = struct.pack("HL", 1, ctypes.addressof(instruction))
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)


def wait_until_accepted(process: int, port: int, seconds: float) -> bool:
    """Whether all connections at the listener of `process` on `port` were accepted in time.

    Raises as `choose` does.
    """
    theirs = descriptor(process, port)
    if theirs is None:
        return True
    deadline = time.monotonic() + seconds
    with socket.socket(fileno=_borrow(process, theirs)) as listener:
        while _queued(listener):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
    return True


def _queued(listener: socket.socket) -> int:
    """Connections that nobody has accepted yet."""
    told = listener.getsockopt(
        socket.IPPROTO_TCP, socket.TCP_INFO, QUEUED_AT + struct.calcsize("I")
    )
    (count,) = struct.unpack_from("I", told, QUEUED_AT)
    return int(count)


def visitors(process: int, besides: set[int]) -> int:
    """How many are connected, or about to be, at a port on which `process` listens, but for
    connections of the processes `besides`.

    A connection that nobody has accepted yet counts, and so does one whose process this account may
    not know. Where it may not know on which ports `process` listens, one is.
    """
    try:
        own = psutil.Process(process).net_connections("tcp")
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return 1
    ports = {
        connection.laddr.port
        for connection in own
        if connection.laddr and connection.status == psutil.CONN_LISTEN
    }
    there = (
        connection
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.laddr.port in ports
    )
    return sum(
        connection.status not in NOBODY and connection.pid not in besides for connection in there
    )


def at(path: Path) -> bool:
    """Whether somebody takes connections at a Unix socket: its name is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _borrow(process: int, theirs: int) -> int:
    """A descriptor of our own for what another process has open there. Raises OSError."""
    handle = os.pidfd_open(process)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        ours = int(library.syscall(PIDFD_GETFD, handle, theirs, 0))
        if ours < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return ours
    finally:
        os.close(handle)


if __name__ == "__main__":
    commands: dict[str, Callable[[int, int, int], object]] = {
        "choose": choose,
        "wait": wait_until_accepted,
    }
    commands[sys.argv[1]](*(int(word) for word in sys.argv[2:]))
