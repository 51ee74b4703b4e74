"""A database backend on psycopg2's ThreadedConnectionPool, one pool for each alias and process.

Django opens a connection for a request and closes it afterwards; here both only visit the pool. A
connection goes back without a transaction, and one that broke is closed instead.
`OPTIONS["pool_size"]` is the most connections of a process; threads beyond it wait, for
`OPTIONS["pool_timeout"]` seconds at most.
"""

from __future__ import annotations

import select
import threading
import weakref
from typing import Any

from django.db.backends.postgresql import base
from psycopg2 import InterfaceError, OperationalError
from psycopg2.pool import ThreadedConnectionPool

DEFAULT_SIZE = 10
DEFAULT_TIMEOUT_SECONDS = 10.0


class WaitingPool:
    """A ThreadedConnectionPool whose callers wait for a connection instead of being refused."""

    def __init__(self, size: int, timeout: float, parameters: dict[str, Any]) -> None:
        self.timeout = timeout
        self._free = threading.BoundedSemaphore(size)
        # minconn is how many a pool keeps: below it, psycopg2 would close what comes back.
        self._pool = ThreadedConnectionPool(0, size, **parameters)
        self._pool.minconn = size

    def take(self) -> Any:
        """A connection. Raises OperationalError when none is free in time."""
        if not self._free.acquire(timeout=self.timeout):
            raise OperationalError(f"no connection became free within {self.timeout:g} s")
        try:
            return self._pool.getconn()
        except BaseException:
            self._free.release()
            raise

    def give(self, connection: Any) -> None:
        """Take `connection` back, rolled back; closed when that fails."""
        try:
            self._pool.putconn(connection)
        except (InterfaceError, OperationalError):
            self._pool.putconn(connection, close=True)
        finally:
            self._free.release()


_pools: dict[str, WaitingPool] = {}
_lock = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's PostgreSQL backend with connections from a pool."""

    def get_connection_params(self) -> dict[str, Any]:
        """Django's, without our own options."""
        parameters: dict[str, Any] = super().get_connection_params()
        self._size = int(parameters.pop("pool_size", DEFAULT_SIZE))
        self._timeout = float(parameters.pop("pool_timeout", DEFAULT_TIMEOUT_SECONDS))
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """One from the pool that the server has not hung up on."""
        with _lock:
            if self.alias not in _pools:
                _pools[self.alias] = WaitingPool(self._size, self._timeout, conn_params)
            pool = _pools[self.alias]
        connection = pool.take()
        while _hung_up(connection):
            connection.close()
            pool.give(connection)
            connection = pool.take()
        # Given back by `_close`, or when a thread ends that never closed its connection.
        self._lease = weakref.finalize(self, pool.give, connection)
        self._lease.atexit = False
        return connection

    def _close(self) -> None:
        if self.connection is not None:
            with self.wrap_database_errors:
                self._lease()
            self.connection = None  # another thread may have it by now


def _hung_up(connection: Any) -> bool:
    """Whether the server ended this connection while it was in the pool: then its socket can be
    read."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
