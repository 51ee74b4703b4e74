"""PgBouncer's console as psycopg2 reaches it: a connection, the rows of an answer, and its settings
compared with those that were planned. Without a plan: root asks with it on a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2

CONSOLE = "pgbouncer"
"""the console's name as a database, and the login of PgBouncer's own account, which may command"""
CONNECT_TIMEOUT_SECONDS = 2
"""libpq takes less than 2 as 2"""
SOCKET = re.compile(r"\.s\.PGSQL\.(\d{4,5})")
Rows = list[dict[str, Any]]


def ports(directory: Path) -> list[int]:
    """Of the sockets in a directory, also those that the plan has no more."""
    named = (SOCKET.fullmatch(path.name) for path in directory.glob(".s.PGSQL.*"))
    return sorted(int(match[1]) for match in named if match)


def connect(directory: str, port: int, login: str) -> Any:
    """A connection to the console whose socket is in `directory`, in autocommit: it knows no
    transactions. Raises psycopg2.OperationalError."""
    connection = psycopg2.connect(
        host=directory,
        port=port,
        dbname=CONSOLE,
        user=login,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="probe",
    )
    connection.autocommit = True
    return connection


def rows(connection: Any, words: str) -> Rows:
    """Rows of the answer to `words` by their columns' names; none where it only does something.

    Raises psycopg2.Error.
    """
    with connection.cursor() as cursor:
        cursor.execute(words)
        if not cursor.description:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def different(
    planned: Mapping[str, str], live: Mapping[str, str | None]
) -> dict[str, tuple[str, str]]:
    """Settings of SHOW CONFIG whose value is another one than planned: name → (planned, live).

    One that is not set is NULL there.
    """
    shown = {name: live.get(name, "missing") or "" for name in planned}
    return {
        name: (value, shown[name])
        for name, value in planned.items()
        if not _same(value, shown[name])
    }


def _same(left: str, right: str) -> bool:
    if left.startswith("0") and left.isdigit():  # a file mode; PgBouncer 1.18 shows it in decimal
        return right in (left, str(int(left, 8)))
    with suppress(ValueError):
        return float(left) == float(right)
    return left == right
