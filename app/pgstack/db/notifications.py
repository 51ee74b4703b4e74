"""LISTEN, on a connection of `direct`. NOTIFY needs none of this: `pg_notify` works through the
pooler."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError

from pgstack.db.direct import own_connection


@dataclass(frozen=True)
class Notification:
    """What arrived. `pid` is the backend that sent it: at a pooler, one of those that clients
    share."""

    channel: str
    payload: str
    pid: int


@contextmanager
def listen(channel: str, timeout: float | None = None) -> Iterator[Iterator[Notification]]:
    """Notifications of a channel, from the beginning of the block on.

        with listen("jobs", timeout=60) as arrivals:
            for one in arrivals: ...

    The iteration ends when nothing came for `timeout` seconds; None waits for ever. Raises
    OperationalError when the connection ends: what was sent meanwhile is lost, so look for the work
    itself before listening again.
    """
    with own_connection() as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {connection.ops.quote_name(channel)}")
        yield _arrivals(connection.connection, timeout)


def _arrivals(driver: Any, timeout: float | None) -> Iterator[Notification]:
    deadline = None if timeout is None else time.monotonic() + timeout
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)
    while True:
        arrived = _received(driver)
        yield from arrived
        if arrived:
            deadline = None if timeout is None else time.monotonic() + timeout
            continue
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return
        poll.poll(None if left is None else left * 1000)


def _received(driver: Any) -> list[Notification]:
    """What has arrived by now, by either driver. Raises OperationalError when the connection has
    ended."""
    try:
        if hasattr(driver, "pgconn"):  # psycopg 3
            driver.pgconn.consume_input()
            arrived = []
            while message := driver.pgconn.notifies():
                arrived.append(
                    Notification(message.relname.decode(), message.extra.decode(), message.be_pid)
                )
            return arrived
        driver.poll()
        arrived = [
            Notification(message.channel, message.payload, message.pid)
            for message in driver.notifies
        ]
        driver.notifies.clear()
    except Exception as error:
        raise OperationalError(f"LISTEN: the connection ended: {error}") from error
    return arrived
