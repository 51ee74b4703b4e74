"""Passwords of the roles, where web hosts are apart: made on the database host, and kept there for
root alone.

PostgreSQL gets verifiers (RFC 5802, RFC 7677), made here: no password is in a statement, a log or a
process's words.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from . import authority, safe, system
from .stack import Stack

BYTES = 32
"""of chance: nobody tries them all, however fast"""
ITERATIONS = 4096
"""PostgreSQL's default (scram_iterations); more would slow logins down and protect only what can be
guessed"""
SALT_BYTES = 16
SITE_KEY = "django_secret_key"
"""all web hosts sign with the same one"""
VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)"
)


def ensure(stack: Stack) -> None:
    """Make those that there are not."""
    directory = _directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    for name in (*_roles(stack), SITE_KEY):
        if not (directory / name).is_file():
            _write(directory / name)


def renew(stack: Stack) -> str:
    """Make new ones, and ask for a new certificate; `apply` sets them when the web hosts have
    them."""
    ensure(stack)
    for role in _roles(stack):
        _write(_directory() / role)
    new = "a new authority, " if authority.renew() else ""
    return (
        f"{new}new passwords of {', '.join(_roles(stack))} and a new certificate wait for "
        f"`stackctl apply postgres`"
    )


def apply(stack: Stack, psql: list[str]) -> bool:
    """Have PostgreSQL know the passwords; whether it did not before. `psql` runs it as the
    administrator."""
    ensure(stack)
    account = stack.accounts.postgres
    statements = []
    for role in _roles(stack):
        password = (_directory() / role).read_text().strip()
        query = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"  # noqa: S608 - a name of the plan
        if not matches(password, system.require(*psql, text=query, account=account).strip()):
            statements.append(
                f"ALTER ROLE {role} PASSWORD '{verifier(password, os.urandom(SALT_BYTES))}';"
            )
    if statements:
        system.require(*psql, text="\n".join(statements), account=account)
    return bool(statements)


def verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """What PostgreSQL keeps of a password in ASCII: StoredKey and ServerKey (RFC 5802, section
    3)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    texts = [
        base64.b64encode(part).decode() for part in (salt, stored, _keyed(salted, b"Server Key"))
    ]
    return f"SCRAM-SHA-256${iterations}:{texts[0]}${texts[1]}:{texts[2]}"


def matches(password: str, kept: str) -> bool:
    """Whether a verifier is one of this password."""
    found = VERIFIER.fullmatch(kept)
    return found is not None and kept == verifier(
        password, base64.b64decode(found[2]), int(found[1])
    )


def _keyed(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def _roles(stack: Stack) -> list[str]:
    return [one.role for one in stack.postgres.passwords]


def _directory() -> Path:
    return authority.DIRECTORY / "passwords"


def _write(path: Path) -> None:
    """A new one."""
    safe.write(path, f"{secrets.token_urlsafe(BYTES)}\n".encode(), 0o600)
