"""What the login of an external PostgreSQL proves itself with, and who vouches for the
server."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from pgstack.errors import InputError
from pgstack.planning.config import StackConfig
from pgstack.planning.database_url import DatabaseUrl
from pgstack.planning.input_names import EXTERNAL, environment_name


def of_login(config: StackConfig) -> str:
    """Of the login in STACK_DATABASE_URL, read once; empty where PostgreSQL is the stack's own.

    Root reads it before it becomes the stack's account, which need not know it. Raises InputError.
    """
    path = config.database_password_file
    name = environment_name("database_password_file")
    return _once(path, name) if path else ""


@lru_cache(maxsize=1)
def _once(path: Path, name: str) -> str:
    return password(path, name)


def password(path: Path, name: str) -> str:
    """Of the first line of a file that nobody else may read; `name` is what names it. Raises
    InputError."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.readline().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        if isinstance(error, PermissionError):
            reason = f"uid {os.geteuid()}, which asks the server, may not read it"
        raise InputError(f"{name}={path}: {reason}. Name a file of one line.") from None
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(f"{name}={path}: others may read or write it. chmod 600 {path}")
    if not text:
        raise InputError(f"{name}={path}: its first line is empty. Put the password there.")
    return text


def require_authority(place: DatabaseUrl) -> None:
    """The file of who signed the server's certificate can be read. Raises InputError."""
    if place.sslrootcert and not os.access(place.sslrootcert, os.R_OK):
        raise InputError(
            f"{EXTERNAL}: sslrootcert={place.sslrootcert}: it cannot be read. Name the authority's "
            "file there, or in STACK_DATABASE_AUTHORITY."
        )
