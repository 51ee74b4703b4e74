"""The authority of a database host whose web hosts are apart: it signs the certificate that they
check.

Its key never leaves the host. Web hosts have its certificate; while one authority follows another
they have both.
"""

from __future__ import annotations

import ipaddress
import secrets
from pathlib import Path

from pgstack.errors import StackError
from pgstack.planning import layout
from pgstack.rendering import openssl

from . import safe, system
from .safe import StackctlError
from .stack import Stack

DIRECTORY = Path(layout.DATABASE)
AUTHORITY, AUTHORITY_KEY = Path(layout.AUTHORITY), DIRECTORY / "authority.key"
ASKED = DIRECTORY / "renew"
"""there while a new certificate is asked for"""
AUTHORITY_DAYS, DAYS = 3650, 365
RENEW_AUTHORITY_DAYS, RENEW_DAYS = 400, 30
"""one with less time left is made again; the authority outlives what it signs"""
DAY = 24 * 3600
END = "-----END CERTIFICATE-----\n"
IDENTIFIERS = "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
SIGNS = "basicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign"


def apply(stack: Stack) -> bool:
    """Make sure that there is a certificate that names the host and has time left; whether it is a
    new one.

    Raises StackctlError when openssl makes none: what was there stays.
    """
    ensure()
    wanted = [
        place
        for place in _readers(stack)
        if ASKED.exists() or not _holds(stack, place.with_suffix(".pem"))
    ]
    for place in wanted:
        _certify(stack, place)
    ASKED.unlink(missing_ok=True)
    return bool(wanted)


def ensure() -> None:
    """Make an authority unless there is one."""
    if not AUTHORITY.is_file():
        _make_authority()


def _readers(stack: Stack) -> dict[Path, str]:
    """Which certificates there are, without the ending, and the group that reads the key of each:
    that of etcd is another account's."""
    postgres = {DIRECTORY / "server": stack.accounts.postgres}
    etcd = {DIRECTORY / "etcd": "etcd"} if stack.cluster else {}
    return {**(postgres if "postgres" in stack.services else {}), **etcd}


def _certify(stack: Stack, place: Path) -> None:
    """Sign a new one. A member of a cluster shows it where it is a client, too."""
    name = stack.postgres.server_name
    authority = ("-CA", str(AUTHORITY), "-CAkey", str(AUTHORITY_KEY))
    serves = openssl.PEERS if stack.cluster else openssl.SERVES
    extensions = serves.format(names=f"{'IP' if _is_address(name) else 'DNS'}:{name}")
    certificate, key = _make_certificate("stack database", extensions, DAYS, *authority)
    safe.write(place.with_suffix(".key"), key.encode(), 0o640, group=_readers(stack)[place])
    safe.write(place.with_suffix(".pem"), certificate.encode())


def renew() -> bool:
    """Ask for a new certificate; whether it takes a new authority, which web hosts must know before
    it signs."""
    new = AUTHORITY.is_file() and not _lasts(AUTHORITY, RENEW_AUTHORITY_DAYS)
    if new:
        _make_authority(AUTHORITY.read_text().partition(END)[0] + END)
    ASKED.touch()
    return new


def _make_authority(before: str = "") -> None:
    """A new one in front of the one before, which web hosts trust until they see no certificate of
    it any more."""
    certificate, key = _make_certificate(
        f"stack authority {secrets.token_hex(4)}", SIGNS, AUTHORITY_DAYS
    )
    safe.write(AUTHORITY_KEY, key.encode(), 0o600)
    safe.write(AUTHORITY, (certificate + before).encode())


def _holds(stack: Stack, certificate: Path) -> bool:
    """Whether the certificate is the authority's, names the host and has time left."""
    name = stack.postgres.server_name
    checks = ("-verify_ip" if _is_address(name) else "-verify_hostname", name, str(certificate))
    known = system.run("openssl", "verify", "-CAfile", str(AUTHORITY), *checks)
    return known.returncode == 0 and _lasts(certificate, RENEW_DAYS)


def _lasts(certificate: Path, days: int) -> bool:
    asked = ("openssl", "x509", "-in", str(certificate), "-noout", "-checkend", str(days * DAY))
    return system.run(*asked).returncode == 0


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _make_certificate(name: str, extensions: str, days: int, *more: str) -> tuple[str, str]:
    """Certificate and key. Raises StackctlError."""
    try:
        return openssl.make_certificate(name, IDENTIFIERS + extensions, days, *more)
    except StackError as error:
        raise StackctlError(f"{error}.") from None
