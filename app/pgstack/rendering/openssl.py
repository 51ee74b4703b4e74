"""Certificates that openssl makes: of a site, and of a database host and its authority."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from pgstack.errors import RenderError

REQUEST = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = {name}
[extensions]
{extensions}
"""
SERVES = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}"""
"""extensions of a server's certificate"""
PEERS = SERVES.replace("serverAuth", "serverAuth, clientAuth")
"""of a host that is a server of its likes and their client"""
MAKE = ("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def make_certificate(name: str, extensions: str, days: int, *more: str) -> tuple[str, str]:
    """A new certificate and its key, self-signed unless `more` says otherwise.

    They are made aside, so that a failure changes nothing. Raises RenderError with openssl's
    reason.
    """
    with tempfile.TemporaryDirectory() as directory:
        request, certificate, key = (
            Path(directory, part) for part in ("request", "certificate", "key")
        )
        request.write_text(REQUEST.format(name=name, extensions=extensions))
        words = ["-config", str(request), "-days", str(days), "-keyout", str(key)]
        try:
            subprocess.run(
                [*MAKE, *words, "-out", str(certificate), *more],
                capture_output=True,
                text=True,
                check=True,
            )
            return certificate.read_text(), key.read_text()
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines()
            reason = said[-1] if said else f"status {error.returncode}"
        except OSError as error:
            reason = str(error)
    raise RenderError(
        f"openssl made no certificate ({reason}); nothing was changed. Repair or install openssl"
    )
