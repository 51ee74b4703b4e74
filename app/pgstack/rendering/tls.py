"""Certificate and key of the site: checked copies of the user's files, or a self-signed pair.

Apache reads copies that were checked. A renewal that goes wrong at the source is then met by the
next start, with a message, and not by a restart at night.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pgstack.errors import InputError, RenderError
from pgstack.rendering import openssl
from pgstack.rendering.file import File

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

CERTIFICATE, KEY = "STACK_TLS_CERTIFICATE", "STACK_TLS_KEY"
VALID_DAYS = 365
RENEW_SECONDS = 30 * 24 * 3600
"""a self-signed certificate with less time left is made again"""


def files(plan: Plan, renew: bool = False) -> list[File]:
    """Certificate and key for the places where `plan` has them; empty when there is nothing to
    write.

    With `renew` a self-signed pair is a new one. Raises InputError for files that cannot be used,
    RenderError when openssl fails.
    """
    if plan.site.tls in ("self-signed", "acme"):  # by ACME, for names that are not the site's
        return (not renew and _current(plan)) or _self_signed(plan)
    return provided(plan)


def provided(plan: Plan) -> list[File]:
    """The user's pair of STACK_TLS=files, checked; empty otherwise and where Apache reads it in its
    place.

    Raises InputError naming the input, the reason and the remedy.
    """
    site = plan.site
    if site.tls != "files" or site.tls_given_key == site.tls_key:
        return []
    texts = [_read(CERTIFICATE, site.tls_given_certificate), _read(KEY, site.tls_given_key)]
    _require_pair(site.tls_given_certificate, site.tls_given_key)
    _require_valid(site.tls_given_certificate, texts[0])
    return _pair(plan, *texts)


def validity(certificate: str) -> tuple[float, float]:
    """When the first certificate of this PEM text begins and ends to be valid, in seconds since
    1970.

    Raises RenderError when openssl cannot say.
    """
    command = ["openssl", "x509", "-noout", "-dates"]
    try:
        said = subprocess.run(
            command, input=certificate, capture_output=True, text=True, check=True
        ).stdout
        dates = dict(line.partition("=")[::2] for line in said.splitlines())
        return ssl.cert_time_to_seconds(dates["notBefore"]), ssl.cert_time_to_seconds(
            dates["notAfter"]
        )
    except (OSError, subprocess.CalledProcessError, KeyError, ValueError) as error:
        raise RenderError(
            f"openssl does not say how long the certificate is valid ({error}). Repair openssl."
        ) from None


def _require_valid(path: str, certificate: str) -> None:
    begins, ends = validity(certificate)
    now = time.time()
    if not begins <= now <= ends:
        reason = (
            f"it expired on {_day(ends)}"
            if now > ends
            else f"it is not valid before {_day(begins)}"
        )
        raise InputError(
            f"{CERTIFICATE}={path}: {reason}. Name one that browsers accept, or set the clock "
            "right."
        )


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _pair(plan: Plan, certificate: str, key: str) -> list[File]:
    return [
        File(Path(plan.site.tls_certificate), certificate, 0o444),
        File(Path(plan.site.tls_key), key, 0o440, secret=True),
    ]


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        raise InputError(f"{name}={path}: no such file. Name a PEM file that exists.") from None
    except PermissionError:
        raise InputError(
            f"{name}={path}: uid {os.geteuid()}, which runs the stack, may not read it. "
            "Let it, or name a copy that it may read."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is not text"
        raise InputError(f"{name}={path}: {reason}. Name a PEM file.") from None


def _require_pair(certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise InputError(
            f"{CERTIFICATE}={certificate}: it holds no certificate. Name a chain in PEM."
        ) from None
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InputError(
                f"{KEY}={key}: it is not the key of the first certificate in "
                f"{CERTIFICATE}={certificate}. "
                "Name a pair, the site's own certificate first."
            ) from None
        raise InputError(
            f"{KEY}={key}: openssl refuses it ({error.reason or error}). Name a PEM key without a "
            f"passphrase."
        ) from None


def _current(plan: Plan) -> list[File]:
    """The self-signed pair on disk when it still names the site's hosts and has time left."""
    certificate, key = plan.site.tls_certificate, plan.site.tls_key
    try:
        texts = [_read(CERTIFICATE, certificate), _read(KEY, key)]
        _require_pair(certificate, key)
    except InputError:
        return []
    ask = [
        "openssl",
        "x509",
        "-in",
        certificate,
        "-noout",
        "-ext",
        "subjectAltName",
        "-checkend",
        str(RENEW_SECONDS),
    ]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    names = {
        f"IP:{ipaddress.ip_address(value)}" if kind == "IP Address" else f"DNS:{value}"
        for kind, value in re.findall(r"(DNS|IP Address):([^\s,]+)", done.stdout)
    }
    return _pair(plan, *texts) if done.returncode == 0 and names == _subject_names(plan) else []


def _subject_names(plan: Plan) -> set[str]:
    names = set()
    for host in plan.site.hosts:
        try:
            names.add(f"IP:{ipaddress.ip_address(host.strip('[]'))}")
        except ValueError:
            names.add(f"DNS:{host.lstrip('.')}")
            if host.startswith("."):
                names.add(f"DNS:*{host}")
    return names


def _self_signed(plan: Plan) -> list[File]:
    """A new pair."""
    extensions = openssl.SERVES.format(names=",".join(sorted(_subject_names(plan))))
    try:
        return _pair(plan, *openssl.make_certificate("stack", extensions, VALID_DAYS))
    except RenderError as error:
        raise RenderError(f"STACK_TLS=self-signed: {error}, or use STACK_TLS=files.") from None
