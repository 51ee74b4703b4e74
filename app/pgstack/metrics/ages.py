"""How old the last backup is, and when the certificate that visitors see expires."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pgstack.metrics.model import Sample, gauge
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.rendering import tls

ANSWER_SECONDS = 1.5
BACKUP = gauge(
    "backup_timestamp_seconds",
    "Point in time of the last backup: of its rows, or of its files where those are older.",
)
CERTIFICATE = gauge(
    "certificate_expiry_timestamp_seconds", "When the certificate that Apache presents expires."
)


def backup(plan: Plan) -> Iterator[Sample]:
    """The sample of the last backup, if there is one. Raises OSError, ValueError."""
    path = Path(layout.backed_up(plan))
    if path.exists():
        yield from BACKUP.of(float(path.read_text()))


def certificate(plan: Plan) -> Iterator[Sample]:
    """The sample of the certificate that the site presents under its first name. Raises OSError."""
    site = plan.front or plan.site
    address = "127.0.0.1" if site.address == "*" else site.address.strip("[]")
    # The certificate may be self-signed, and nothing secret is sent.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    name = site.hosts[0].lstrip(".").strip("[]")
    with (
        socket.create_connection((address, site.port), ANSWER_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=name) as shown,
    ):
        encoded = shown.getpeercert(binary_form=True)
    yield from CERTIFICATE.of(_end(encoded) if encoded else None)


@lru_cache(maxsize=4)
def _end(certificate: bytes) -> float:
    """Asks openssl, once for each certificate."""
    return tls.validity(ssl.DER_cert_to_PEM_cert(certificate))[1]
