"""Verifiers of passwords as PostgreSQL keeps them (RFC 5802, RFC 7677), made outside of it: no
password is in a statement, a log or a process's words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

ITERATIONS = 4096
"""PostgreSQL's default (scram_iterations); more would slow logins down and protect only what can be
guessed"""
SALT_BYTES = 16
PASSWORD_BYTES = 32
"""of chance in a password: nobody tries them all, however fast"""
VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)"
)


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
    match = VERIFIER.fullmatch(kept)
    return match is not None and kept == verifier(
        password, base64.b64decode(match[2]), int(match[1])
    )


def _keyed(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()
