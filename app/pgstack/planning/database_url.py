"""Where an external PostgreSQL is and how it proves who it is, from a URL without a
password."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BeforeValidator

from pgstack.planning.part import Part

SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
MODES = ("verify-full", "require")
NAMES = ("sslmode", "sslrootcert")
PORT = 5432
EXAMPLE = "postgresql://login@db.example.org:5432/site?sslrootcert=/etc/ssl/authority.pem"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-f:]+")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
"""of a database, as files of the servers can name it"""


class DatabaseUrl(Part):
    """Parameters for libpq, without the password."""

    host: str
    port: int
    user: str
    database: str
    sslmode: str
    sslrootcert: str

    @property
    def text(self) -> str:
        """How messages name the server: HOST:PORT."""
        return f"{self.host}:{self.port}"


def parse(url: object) -> object:
    """Raises ValueError for any other URL."""
    return read(url) if isinstance(url, str) else url


def read(url: str) -> DatabaseUrl:
    """Raises ValueError for any other URL; a message never repeats a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise ValueError(f"the URL cannot be read ({error}). Write it as {EXAMPLE}") from None
    if parts.password is not None:
        raise ValueError(
            "the URL holds a password, which every account here can read in the list of processes. "
            "Put it into a file, and change it"
        )
    user, host = unquote(parts.username or ""), parts.hostname or ""
    database = unquote(parts.path.removeprefix("/"))
    _require_whole(parts.scheme, user, host, database)
    unknown = sorted(set(query) - set(NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]}: the URL may say {' and '.join(NAMES)} only")
    mode = query.get("sslmode", MODES[0])
    if mode not in MODES:
        raise ValueError(
            f"sslmode={mode}: anybody on the way could read or answer in its place. "
            f"Use verify-full, or require where the server's certificate cannot be checked"
        )
    authority = query.get("sslrootcert", SYSTEM_AUTHORITIES) if mode == MODES[0] else ""
    return DatabaseUrl(
        host=host, port=port, user=user, database=database, sslmode=mode, sslrootcert=authority
    )


def _require_whole(scheme: str, user: str, host: str, database: str) -> None:
    if scheme not in ("postgresql", "postgres"):
        raise ValueError(f"the URL does not begin with postgresql://. Write it as {EXAMPLE}")
    for what, value in (("login", user), ("host", host), ("database", database)):
        if not value or "/" in value:
            raise ValueError(f"the URL names no {what}. Write it as {EXAMPLE}")
    for what, value, pattern in (("host", host, _HOST), ("database", database, _NAME)):
        if pattern.fullmatch(value) is None:
            raise ValueError(f"{value!r}: the servers' files cannot name such a {what}")


ExternalDatabase = Annotated[DatabaseUrl, BeforeValidator(parse)]
