"""What a cluster needs to know of a host before it is one of it: its clock, whether it has its
address and its name resolves, and for a member how long its disk takes to have what was written.
Standard library only, prints JSON: Ansible runs it there."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DIRECTORY = "/var/lib"
"""where etcd's data go"""
WATCHDOG = "/dev/watchdog"
WRITES, BYTES = 100, 2300
"""as many, and as large, as etcd's manual tries a disk with"""


def suitable(asked: float, address: str) -> dict[str, Any]:
    """By name; `asked` is when, by the clock of who asks, and `address` a member's own, empty on
    other hosts."""
    return {
        "asked": asked,
        "here": time.time(),
        "resolves": _resolves(address),
        **(
            {"has_address": _has(address), "syncs": _syncs(), "watchdog": _watchdog()}
            if address
            else {}
        ),
    }


def _watchdog() -> bool:
    """Whether there is one, or the kernel can have one of its own."""
    asked = ["modprobe", "--dry-run", "--quiet", "softdog"]
    try:
        can = subprocess.run(asked, check=False).returncode == 0
    except FileNotFoundError:
        can = False
    return Path(WATCHDOG).exists() or can


def _has(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((address, 0))
        except OSError:
            return False
    return True


def _resolves(address: str) -> float | None:
    """Seconds that it takes to look up the host's name and, as Patroni does, who has its address;
    None where the name is not known."""
    began = time.monotonic()
    try:
        socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return None
    socket.getfqdn(address or "127.0.0.1")
    return time.monotonic() - began


def _syncs() -> dict[str, float]:
    """Milliseconds of a small write and its way to the disk: the median, and that which one in
    hundred exceeds."""
    times = []
    with tempfile.TemporaryFile(dir=DIRECTORY, buffering=0) as file:
        for _ in range(WRITES):
            began = time.monotonic()
            file.write(b"\0" * BYTES)
            os.fdatasync(file.fileno())
            times.append(1000 * (time.monotonic() - began))
    return {"median": statistics.median(times), "slowest": statistics.quantiles(times, n=100)[-1]}


if __name__ == "__main__":
    print(json.dumps(suitable(float(sys.argv[1]), sys.argv[2])))
