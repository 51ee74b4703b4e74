"""Where the server is and how it proves who it is, from a URL without a password."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pgstack.errors import InputError

SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
MODES = ("verify-full", "require")
NAMES = ("sslmode", "sslrootcert")
PORT = 5432
EXAMPLE = "postgresql://login@db.example.org:5432/site?sslrootcert=/etc/ssl/authority.pem"


@dataclass(frozen=True)
class Address:
    """What libpq is told, but for the password."""

    host: str
    port: int
    user: str
    database: str
    sslmode: str
    sslrootcert: str

    @property
    def text(self) -> str:
        """The server in messages."""
        return f"{self.host}:{self.port}"


def parse(url: str) -> Address:
    """Raises InputError for what is no such URL; a message never repeats a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise InputError(f"the URL cannot be read ({error}). Write it as {EXAMPLE}") from None
    if parts.password is not None:
        raise InputError(
            "the URL holds a password, which every account here can read in the list of processes. "
            "Put it into a file, and change it: --password-file."
        )
    user, host = unquote(parts.username or ""), parts.hostname or ""
    database = unquote(parts.path.removeprefix("/"))
    _require_whole(parts.scheme, user, host, database)
    unknown = sorted(set(query) - set(NAMES))
    if unknown:
        raise InputError(f"{unknown[0]}: the URL may say {' and '.join(NAMES)} only.")
    mode = query.get("sslmode", MODES[0])
    if mode not in MODES:
        raise InputError(
            f"sslmode={mode}: anybody on the way could read or answer in its place. "
            f"Use verify-full, or require where the server's certificate cannot be checked."
        )
    authority = query.get("sslrootcert", SYSTEM_AUTHORITIES) if mode == MODES[0] else ""
    if authority and not os.access(authority, os.R_OK):
        raise InputError(f"sslrootcert={authority}: it cannot be read. Name the authority's file.")
    return Address(host, port, user, database, mode, authority)


def _require_whole(scheme: str, user: str, host: str, database: str) -> None:
    if scheme not in ("postgresql", "postgres"):
        raise InputError(f"the URL does not begin with postgresql://. Write it as {EXAMPLE}")
    for what, value in (("login", user), ("host", host), ("database", database)):
        if not value or "/" in value:
            raise InputError(f"the URL names no {what}. Write it as {EXAMPLE}")


def password(path: Path) -> str:
    """Of the first line of a file that nobody else may read. Raises InputError."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.readline().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InputError(f"--password-file {path}: {error}. Name a file of one line.") from None
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(f"--password-file {path}: others may read or write it. chmod 600 {path}")
    if not text:
        raise InputError(
            f"--password-file {path}: its first line is empty. Put the password there."
        )
    return text
