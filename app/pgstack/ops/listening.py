"""Who listens on a port of this machine."""

from __future__ import annotations

from contextlib import suppress

import psutil


def descriptor(process: int, port: int) -> int | None:
    """The descriptor with which `process` listens on `port`; None where it does not, or is not
    there. Raises psutil.AccessDenied where this account may not know."""
    with suppress(psutil.NoSuchProcess):
        for one in psutil.Process(process).net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port:
                return int(one.fd)
    return None
