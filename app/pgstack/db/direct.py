"""The alias `direct`: work that needs a session of its own, past the pooler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.transaction import TransactionManagementError
from django.utils.asyncio import async_unsafe

from pgstack.db.aliases import DIRECT, POOLED, in_test_case


@contextmanager
def on_direct() -> Iterator[None]:
    """Run a block, or a decorated function, with `direct` in the place of `default`, in this
    thread.

    Everything that asks Django for `default` inside gets the connection of `direct`: models,
    `connection`, `transaction.atomic()`. Objects are as if `default` had read them. Other aliases,
    other threads, and code that holds a connection or cursor from before are not changed. What the
    block opened is closed at its end.

    Raises TransactionManagementError within `atomic()`: the block could not see what that
    transaction has written. Within the transaction of a TestCase the block stays on it; there
    `default` goes straight to PostgreSQL anyway.
    """
    pooled, direct = _connections()
    if pooled is direct:
        yield
        return
    if pooled.in_atomic_block:
        if not in_test_case(pooled):
            raise TransactionManagementError(
                f"on_direct() within atomic(): `{DIRECT}` is another connection and does not see "
                f"what this transaction "
                "has written. Put on_direct() around atomic()."
            )
        yield
        return
    was_open = direct.connection is not None
    connections[POOLED] = direct
    try:
        yield
    finally:
        connections[POOLED] = pooled
        if not was_open:
            direct.close()


@contextmanager
def own_connection() -> Iterator[Any]:
    """A connection of `direct` that nobody else has: Django does not close it between requests or
    tasks."""
    _require()
    connection = connections.create_connection(DIRECT)
    try:
        yield connection
    finally:
        connection.close()


@async_unsafe("Use sync_to_async: a block on `direct` belongs to one thread.")
def _connections() -> tuple[Any, Any]:
    _require()
    return connections[POOLED], connections[DIRECT]


def _require() -> None:
    if DIRECT not in connections.settings:
        raise ImproperlyConfigured(
            f"DATABASES has no alias `{DIRECT}`: add one that goes straight to PostgreSQL, not to "
            f"the pooler's port."
        )
