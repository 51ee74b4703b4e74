"""A certificate authority that speaks ACME: Debian's pebble, in a container of its own beside the
host."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

from docker_engine import address, docker
from host_image import image
from systemd_host import LIFETIME_SECONDS

from fixtures import certificates
from fixtures.releases import NEWEST_SUITE

NAME = "authority.example"
DIRECTORY = f"https://{NAME}:14000/dir"
START_SECONDS = 30
DOCKERFILE = """\
FROM {image}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends pebble
"""
CONFIGURATION = {
    "listenAddress": "0.0.0.0:14000",
    "managementListenAddress": "0.0.0.0:15000",
    "httpPort": 80,
    "tlsPort": 443,
    "certificate": "/pebble/certificate.pem",
    "privateKey": "/pebble/key.pem",
}
SWITCHES = ("--env=PEBBLE_VA_NOSLEEP=1", "--env=PEBBLE_WFE_NONCEREJECT=0")
"""it neither waits before it asks the site nor refuses requests at random"""


@dataclass(frozen=True)
class Authority:
    """`certificate` is that of its address, `root` the one that its certificates come from."""

    container: str
    network: str
    certificate: Path
    root: Path

    def revoke(self, chain: str, key: str) -> None:
        """Revoke a certificate that it has made, as its owner may: all clients are to renew it now
        (RFC 9773)."""
        directory = json.loads(self._ask("/dir")[1])
        nonce = self._ask(_path(directory["newNonce"]), method="HEAD")[0]["Replay-Nonce"]
        modulus = subprocess.run(
            ["openssl", "rsa", "-noout", "-modulus"],
            input=key.encode(),
            capture_output=True,
            check=True,
        ).stdout.strip()
        path = _path(directory["revokeCert"])
        jwk = {
            "kty": "RSA",
            "e": "AQAB",
            "n": _text(bytes.fromhex(modulus.decode().partition("=")[2])),
        }
        head = _text(
            json.dumps(
                {"alg": "RS256", "jwk": jwk, "nonce": nonce, "url": self._url(path)}
            ).encode()
        )
        first = chain[: chain.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)]
        body = _text(json.dumps({"certificate": _text(ssl.PEM_cert_to_DER_cert(first))}).encode())
        signed = _signature(f"{head}.{body}".encode(), key)
        self._ask(
            path, json.dumps({"protected": head, "payload": body, "signature": signed}).encode()
        )

    def fetch_root(self) -> bytes:
        """Its root."""
        return self._ask("/roots/0", port=15000)[1]

    def _url(self, path: str, port: int = 14000) -> str:
        return f"https://{address(self.container)}:{port}{path}"

    def _ask(
        self, path: str, data: bytes | None = None, method: str | None = None, port: int = 14000
    ) -> tuple[Message, bytes]:
        """Head and body of an answer. Raises OSError."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = False  # asked by its address
        head = {"Content-Type": "application/jose+json"}
        request = urllib.request.Request(self._url(path, port), data, head, method=method)
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return answer.headers, answer.read()

    def said(self) -> str:
        """What it wrote."""
        done = docker("logs", self.container)
        return done.stdout + done.stderr


@contextmanager
def authority(directory: Path) -> Iterator[Authority]:
    """One that answers under NAME on a network of its own; removed with that at the end whatever
    happens."""
    network = f"pgstack-acme-{uuid.uuid4().hex[:8]}"
    docker("network", "create", network)
    try:
        with _container(directory, network) as running:
            yield running
    finally:
        docker("network", "rm", network, check=False)


@contextmanager
def _container(directory: Path, network: str) -> Iterator[Authority]:
    docker(
        "build",
        "--quiet",
        "--tag",
        "pgstack-authority",
        "-",
        text=DOCKERFILE.format(image=image(NEWEST_SUITE)),
    )
    certificates.self_signed(directory, f"DNS:{NAME}")
    (directory / "pebble.json").write_text(json.dumps({"pebble": CONFIGURATION}))
    started = docker(
        "run",
        "--detach",
        f"--network={network}",
        f"--network-alias={NAME}",
        f"--volume={directory}:/pebble:ro",
        *SWITCHES,
        "pgstack-authority",
        "timeout",
        str(LIFETIME_SECONDS),
        "pebble",
        "-config",
        "/pebble/pebble.json",
    )
    running = Authority(
        started.stdout.strip(), network, directory / "certificate.pem", directory / "root.pem"
    )
    try:
        running.root.write_bytes(_root(running))
        yield running
    finally:
        docker("rm", "--force", running.container, check=False)


def _root(running: Authority) -> bytes:
    """Its root, once it answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return running.fetch_root()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _path(url: str) -> str:
    return urlsplit(url).path


def _text(content: bytes) -> str:
    """As JSON Web Signatures write it (RFC 7515)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signature(content: bytes, key: str) -> str:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(key)
        file.flush()
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", file.name],
            input=content,
            capture_output=True,
            check=True,
        )
    return _text(done.stdout)
