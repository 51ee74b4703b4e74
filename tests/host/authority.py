"""A certificate authority that speaks ACME: Debian's pebble, in a container of its own beside the host."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from systemd_host import LIFETIME_SECONDS, _docker, address, image

NAME = "authority.example"
DIRECTORY = f"https://{NAME}:14000/dir"
OPENS_SECONDS = 90
"""age of a certificate at which its authority would have it renewed"""
VALID_SECONDS = 36 * 3600 + 3 * OPENS_SECONDS // 2
"""of its certificates: pebble names the time from 24 hours before two thirds of that (RFC 9773)"""
START_SECONDS = 30
DOCKERFILE = """\
FROM {image}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends pebble
"""
CONFIGURATION = {
    "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000", "httpPort": 80, "tlsPort": 443,
    "certificate": "/pebble/certificate.pem", "privateKey": "/pebble/key.pem",
    "certificateValidityPeriod": VALID_SECONDS,
}  # fmt: skip
SWITCHES = ("--env=PEBBLE_VA_NOSLEEP=1", "--env=PEBBLE_WFE_NONCEREJECT=0")
"""it neither waits before it asks the site nor refuses requests at random"""


@dataclass(frozen=True)
class Authority:
    """`certificate` is that of its address, `root` the one that its certificates come from."""

    container: str
    network: str
    certificate: Path
    root: Path

    def said(self) -> str:
        """What it wrote."""
        done = _docker("logs", self.container)
        return done.stdout + done.stderr


@contextmanager
def authority(directory: Path) -> Iterator[Authority]:
    """One that answers under NAME on a network of its own; removed with that at the end whatever happens."""
    network = f"pgstack-acme-{uuid.uuid4().hex[:8]}"
    _docker("network", "create", network)
    try:
        with _container(directory, network) as found:
            yield found
    finally:
        _docker("network", "rm", network, check=False)


@contextmanager
def _container(directory: Path, network: str) -> Iterator[Authority]:
    _docker("build", "--quiet", "--tag", "pgstack-authority", "-", text=DOCKERFILE.format(image=image("trixie")))
    _make_certificate(directory)
    (directory / "pebble.json").write_text(json.dumps({"pebble": CONFIGURATION}))
    started = _docker(
        "run", "--detach", f"--network={network}", f"--network-alias={NAME}", f"--volume={directory}:/pebble:ro",
        *SWITCHES, "pgstack-authority", "timeout", str(LIFETIME_SECONDS), "pebble", "-config", "/pebble/pebble.json",
    )  # fmt: skip
    found = Authority(started.stdout.strip(), network, directory / "certificate.pem", directory / "root.pem")
    try:
        found.root.write_bytes(_root(found))
        yield found
    finally:
        _docker("rm", "--force", found.container, check=False)


def _make_certificate(directory: Path) -> None:
    command = [
        "openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2",
        "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
        "-keyout", directory / "key.pem", "-out", directory / "certificate.pem",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)


def _root(found: Authority) -> bytes:
    """Its root, once it answers."""
    context = ssl.create_default_context(cafile=str(found.certificate))
    context.check_hostname = False  # asked by its address
    url = f"https://{address(found.container)}:15000/roots/0"
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5, context=context) as answer:
                return bytes(answer.read())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
