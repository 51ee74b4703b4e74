"""Which of several processes that listen on one port gets the next connection.

Both instances of Apache listen with SO_REUSEPORT; the kernel would spread connections over them. A
filter program of one instruction (SO_ATTACH_REUSEPORT_CBPF, socket(7)) names the one that gets them
all: while it starts the new one gets none, and from the switch on the old one gets none, so that
its queue is empty when it ends.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

import psutil

from pgstack.ops import listening

from .safe import StackctlError

SO_ATTACH_REUSEPORT_CBPF = 51
PIDFD_GETFD = 438
"""number of the system call, the same on all architectures"""
RETURN_CONSTANT = 0x06
"""BPF_RET | BPF_K (linux/bpf_common.h)"""


def choose(process: int, port: int, place: int) -> None:
    """Give every new connection on `port` to the listener at `place`: 0 is the oldest, 1 the one
    after it.

    `process` is one of those that listen; where it does not, as after a change of port, there is
    nothing to choose. A place that nobody has means: as if nothing was chosen. Raises StackctlError
    where the kernel does not let us.
    """
    try:
        descriptor = listening.descriptor(process, port)
        if descriptor is None:
            return
        with socket.socket(fileno=_borrow(process, descriptor)) as listener:
            instruction = ctypes.create_string_buffer(
                struct.pack("HBBI", RETURN_CONSTANT, 0, 0, place)
            )
            program = struct.pack("HL", 1, ctypes.addressof(instruction))
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)
    except (OSError, psutil.AccessDenied) as error:
        raise StackctlError(
            f"port {port}: the kernel does not let stackctl choose who is given new connections "
            f"({error}). "
            "It takes Linux 5.6 and, in a container, CAP_SYS_PTRACE."
        ) from None


def _borrow(process: int, descriptor: int) -> int:
    """A descriptor of our own for what another process has open there. Raises OSError."""
    handle = os.pidfd_open(process)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        found = int(library.syscall(PIDFD_GETFD, handle, descriptor, 0))
        if found < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return found
    finally:
        os.close(handle)
