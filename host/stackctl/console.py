"""PgBouncer's console, asked over its socket in PostgreSQL's protocol (its manual,
"Frontend/Backend Protocol").

Requests wait between two of these commands, and psql under runuser takes many times as long.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from pathlib import Path
from typing import BinaryIO, cast

from .safe import Refused

LOGIN = "pgbouncer"
"""login of PgBouncer's own account at its console, and the console's name as a database"""
VERSION = 3 << 16
"""of the protocol"""
FIELD_BYTES = 18
"""of a column's description, after its name"""
Rows = list[dict[str, str]]


def ask(path: Path, account: str, command: str, seconds: float) -> Rows:
    """Rows of the answer by their columns' names, as `account` of this host.

    Raises Refused when nobody listens, for an error, and when no answer has come for so many
    seconds.
    """
    try:
        with _connect(path, account, seconds) as connection, connection.makefile("rwb") as made:
            stream = cast("BinaryIO", made)
            _send(
                stream,
                b"",
                struct.pack("!i", VERSION) + f"user\0{LOGIN}\0database\0{LOGIN}\0\0".encode(),
            )
            _answer(stream)
            _send(stream, b"Q", f"{command}\0".encode())
            return _answer(stream)
    except (OSError, struct.error) as error:  # an answer that ends in the middle of a number
        raise Refused(f"{path}: {command}: {error}") from None


def _connect(path: Path, account: str, seconds: float) -> socket.socket:
    """Connected as `account`: who connects is whose the process is at that moment (unix(7),
    SO_PEERCRED)."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    user = os.geteuid()
    os.seteuid(pwd.getpwnam(account).pw_uid)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    finally:
        os.seteuid(user)
    return connection


def _send(stream: BinaryIO, kind: bytes, body: bytes) -> None:
    stream.write(kind + struct.pack("!i", len(body) + 4) + body)
    stream.flush()


def _answer(stream: BinaryIO) -> Rows:
    """Rows up to the moment when it is ready for the next command. Raises Refused with the
    console's words."""
    names: list[str] = []
    rows: Rows = []
    while (kind := stream.read(1)) != b"Z":
        if not kind:
            raise Refused("PgBouncer has closed the connection.")
        body = _body(stream)
        if kind == b"E":
            fields = {part[:1]: part[1:] for part in body.split(b"\0")}
            raise Refused(fields.get(b"M", b"PgBouncer refuses without a word").decode())
        if kind == b"T":
            names = _names(body)
        elif kind == b"D":
            rows.append(dict(zip(names, _values(body), strict=True)))
    _body(stream)
    return rows


def _body(stream: BinaryIO) -> bytes:
    return stream.read(struct.unpack("!i", stream.read(4))[0] - 4)


def _names(body: bytes) -> list[str]:
    found, place = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        end = body.index(b"\0", place)
        found.append(body[place:end].decode())
        place = end + 1 + FIELD_BYTES
    return found


def _values(body: bytes) -> list[str]:
    found, place = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        length = max(struct.unpack_from("!i", body, place)[0], 0)  # -1 is NULL
        found.append(body[place + 4 : place + 4 + length].decode())
        place += 4 + length
    return found
