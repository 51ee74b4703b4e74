"""Advisory locks: of a session, which needs `direct`, and of a transaction, which the pooler
carries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connections
from django.db.transaction import TransactionManagementError

from pgstack.db.aliases import POOLED
from pgstack.db.direct import own_connection
from pgstack.db.errors import NOT_AVAILABLE, sqlstate


class LockTimeout(OperationalError):
    """Somebody else has held the lock for longer than the caller wanted to wait."""


class LockLost(OperationalError):
    """The connection that held a lock has ended before its block: others may have had it
    meanwhile."""


@contextmanager
def advisory_lock(key: int | str, timeout: float | None = None) -> Iterator[None]:
    """Hold a lock of the whole database for a block that is longer than a transaction.

    A connection of `direct` of its own holds it; the block itself uses `default` as ever. `timeout`
    in seconds; None waits for as long as the role's `lock_timeout` allows. Raises LockTimeout, and
    LockLost after the block when the connection has died meanwhile.
    """
    number = key_number(key)
    with own_connection() as connection, connection.cursor() as cursor:
        _acquire(cursor, "pg_advisory_lock", number, key, timeout, local=False)
        yield
        try:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
            held = cursor.fetchone()[0]
        except connection.Database.Error:
            held = False
        except OperationalError:
            held = False
        if not held:
            raise LockLost(
                f"The advisory lock {key!r} was lost: its connection ended. Check what the block "
                f"has done."
            )


def advisory_xact_lock(key: int | str, timeout: float | None = None, using: str = POOLED) -> None:
    """Hold a lock until the transaction ends; no unlocking, and it works through the pooler.

    Raises LockTimeout, and TransactionManagementError outside of `atomic()`, where it would end
    with its own statement.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        raise TransactionManagementError(
            "advisory_xact_lock() outside of atomic() holds nothing. Put it inside."
        )
    with connection.cursor() as cursor:
        _acquire(cursor, "pg_advisory_xact_lock", key_number(key), key, timeout, local=True)


def key_number(key: int | str) -> int:
    """The 64 bits that PostgreSQL takes for a key: a number as it is, a name by its SHA-256."""
    if isinstance(key, int):
        return key
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)


def _acquire(
    cursor: Any, function: str, number: int, key: int | str, timeout: float | None, *, local: bool
) -> None:
    set_timeout = "SELECT set_config('lock_timeout', %s, %s)"
    if timeout is not None:
        cursor.execute("SHOW lock_timeout")
        before = cursor.fetchone()[0]
        cursor.execute(set_timeout, [f"{max(1, round(timeout * 1000))}ms", local])
    try:
        cursor.execute(f"SELECT {function}(%s)", [number])
    except OperationalError as error:
        if sqlstate(error) != NOT_AVAILABLE:
            raise
        message = (
            f"The advisory lock {key!r} is held by somebody else. Try again later, or wait longer."
        )
        raise LockTimeout(message) from error
    if timeout is not None:
        cursor.execute(set_timeout, [before, local])
