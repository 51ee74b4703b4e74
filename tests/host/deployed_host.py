"""A host with the site on it, whose first run is made once for all modules that begin where it
ends: by Molecule, or by the first of them that asks."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker_engine import docker
from host_image import CHECKOUT, image
from systemd_host import BOOT_SECONDS, INPUTS, SystemdHost, start, stop, systemd_host

DECIDES = (
    "ansible",
    "apache",
    "app",
    "host",
    "observability",
    "pgbouncer",
    "postgres",
    "requirements",
    "valkey",
)
"""directories that say how a host is after site.yml"""
LABEL = "pgstack.site"
"""of the images made here"""


@contextmanager
def deployed_host(suite: str, directory: Path, *options: str) -> Iterator[SystemdHost]:
    """A host as site.yml leaves it, booted again; the arguments are those of `systemd_host`.

    The run is made once for a state of the tree, and its host's disk kept as an image for whoever
    asks next.
    """
    with Path(tempfile.gettempdir(), f"pgstack-site-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        name = site_image(suite)
    try:
        host = start(suite, directory, *options, disk=name)
        host.run(
            "timeout", str(BOOT_SECONDS), "sh", "-c", "until stackctl status; do sleep 0.3; done"
        )
        yield host
    finally:
        stop(directory)


def site_image(suite: str) -> str:
    """Disk of a host with the site of this tree, of this day's packages."""
    name = _name(suite)
    if _is_missing(name):
        with tempfile.TemporaryDirectory() as place, systemd_host(suite, Path(place)) as host:
            host.played("site.yml")
            keep(host)
    return name


def keep(host: SystemdHost) -> None:
    """Shut down a host that is as site.yml has left it, and keep its disk for `deployed_host`."""
    docker("stop", "--time=60", host.container)
    name = _name(host.suite)
    if _is_missing(name):
        old = (f"--filter=label={LABEL}", "--filter=until=24h")
        docker("image", "prune", "--all", "--force", *old)
        docker("commit", f"--change=LABEL {LABEL}=", host.container, name)


def _is_missing(name: str) -> bool:
    return docker("image", "inspect", name, check=False).returncode != 0


def _name(suite: str) -> str:
    state = hashlib.sha256(
        f"{time.strftime('%F')} {suite} {image(suite)} {json.dumps(INPUTS)}".encode()
    )
    for path in sorted(path for place in DECIDES for path in (CHECKOUT / place).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            state.update(
                f"{path.relative_to(CHECKOUT)} {path.stat().st_mode} ".encode() + path.read_bytes()
            )
    return f"pgstack-site:{suite}-{state.hexdigest()[:16]}"
