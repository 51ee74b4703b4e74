"""An end to every wait for a database server: libpq bounds the connecting only."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg2
from psycopg2 import extensions

WAIT_SECONDS = 2
"""longest wait for one answer; PgBouncer's queue holds a query for query_wait_timeout, many times
longer"""


class NoAnswer(psycopg2.OperationalError):
    """A server accepted the connection, or holds it in its backlog, and says nothing."""


@contextlib.contextmanager
def waits(seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Within it, connecting and every query of psycopg2 in this process raise NoAnswer after so
    many seconds."""
    extensions.set_wait_callback(partial(_wait, seconds=seconds))
    try:
        yield
    finally:
        extensions.set_wait_callback(None)


def _wait(connection: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (state := connection.poll()) != extensions.POLL_OK:
        poller = select.poll()
        poller.register(
            connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
        )
        left = max(0.0, deadline - time.monotonic())
        if not poller.poll(left * 1000):
            raise NoAnswer(f"no answer within {seconds:g} s")
