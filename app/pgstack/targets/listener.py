"""The address of the site: free before the start, answering after it."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

import psutil

from pgstack.errors import InputError, ProbeError, TargetError
from pgstack.live.probes import web
from pgstack.ops import listening
from pgstack.planning.plan import Plan

PRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
ANSWER_SECONDS = 2
OTHER_PORTS = range(8000, 8100)
"""where an error looks for a port to suggest"""


def require(plan: Plan, apache: list[int]) -> None:
    """Apache can listen where the plan says; `apache` are the process ids of the stack's own.

    Raises InputError or TargetError naming the input.
    """
    address, port = plan.site.address, plan.site.port
    try:
        _bind(address, port)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno in (
            errno.EADDRNOTAVAIL,
            errno.EAFNOSUPPORT,
        ):
            raise InputError(
                f"STACK_ADDRESS={address}: {error.strerror}. Name an address of this machine."
            ) from None
        if error.errno == errno.EADDRINUSE and any(_listens(process, port) for process in apache):
            return
        raise TargetError(
            f"STACK_PORT={port}: {error.strerror} ({address}). {_another(address)}"
        ) from None
    # Root may listen anywhere, the account that it becomes may not.
    if os.geteuid() == 0 and port < int(PRIVILEGED.read_text()):
        raise TargetError(
            f"STACK_PORT={port}: the stack does not run as root, and others may not listen below "
            f"{PRIVILEGED.read_text().strip()}. {_another(address)}"
        )


def _bind(address: str, port: int) -> None:
    host = "" if address == "*" else address.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _listens(process: int, port: int) -> bool:
    with suppress(psutil.AccessDenied):
        return listening.descriptor(process, port) is not None
    return False


def _another(address: str) -> str:
    for port in OTHER_PORTS:
        with suppress(OSError):
            _bind(address, port)
            return f"Choose another, such as STACK_PORT={port}."
    return "Choose another."


def ready(plan: Plan) -> bool:
    """Whether the page /readyz answers that the stack is ready."""
    with suppress(ProbeError):
        web.ask(plan, "readyz", seconds=ANSWER_SECONDS)
        return True
    return False
