"""Django's PostgreSQL backend, for a server or pooler that may be restarted while requests run.

- A connection that the other side has hung up is noticed before it is used, by asking the kernel, and replaced.
- Connecting is tried again for a while (PATIENCE_SECONDS of the alias): a restarted pooler is back within a second.
- A statement that met a dying pooler is sent again where that cannot do anything twice: the first one of a transaction,
  of which nothing lasts before COMMIT, and a plain read outside of one. Never a later statement, a COMMIT, or a write
  outside of a transaction: whether those were done cannot be known.
"""

from __future__ import annotations

import random
import re
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.backends import utils
from django.db.backends.postgresql import base
from django.db.backends.signals import connection_created

PATIENCE = "PATIENCE_SECONDS"
"""key of an alias in DATABASES: how long connecting is tried again; 0, the default, is once"""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.25
IDLE = 0
"""transaction status of libpq (PQTRANS_IDLE): nothing of a transaction was sent"""
COMING_BACK = re.compile(
    "connection refused|no such file|closed the connection|shutting down|starting up|is not accepting|"
    "server login has been failing|pgbouncer cannot connect|connection reset",
    re.IGNORECASE,
)
"""messages of a server that is being restarted, or of a pooler whose server is"""
READ = re.compile(r"\s*SELECT\s(?!.*\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE|KEY)\b)", re.IGNORECASE | re.DOTALL)
CALL = re.compile(r"(\w+)\s*\(")
HARMLESS = frozenset(
    "and as avg between by case cast coalesce count distinct else exists filter in like lower max min nullif not on or "
    "over select sum then upper using values when where".split()
)
"""what may stand before a bracket in a read that is sent again; a function of another name may write"""


def hung_up(connection: Any) -> bool:
    """Whether the other side has closed an idle `connection`, or sent what nobody asked for; about a microsecond."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))


def pauses() -> Iterator[float]:
    """Seconds between two attempts: growing, and never the same for two threads."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        longest = min(2 * longest, LONGEST_PAUSE_SECONDS)


def plain_read(sql: str) -> bool:
    """Whether `sql` is a read that may be sent twice: no lock, and no function that could write."""
    return READ.match(sql) is not None and all(name.lower() in HARMLESS for name in CALL.findall(sql))


class _Repeating:
    """A cursor of Django's that sends a statement again where that is safe."""

    db: DatabaseWrapper
    cursor: Any

    def _execute(self, sql: Any, params: Any, *ignored: Any) -> Any:
        untouched = self.db.untouched()
        try:
            return super()._execute(sql, params, *ignored)  # type: ignore[misc]
        except (OperationalError, InterfaceError):
            if not (untouched and self.db.may_repeat(str(sql)) and hung_up(self.db.connection)):
                raise
        self.db.replace()
        self.cursor = self.db.create_cursor()
        return super()._execute(sql, params, *ignored)  # type: ignore[misc]


class _Cursor(_Repeating, utils.CursorWrapper): ...


class _DebugCursor(_Repeating, utils.CursorDebugWrapper): ...


class DatabaseWrapper(base.DatabaseWrapper):
    """One alias; see the module."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the driver; tried again while the other side is being restarted."""
        deadline = time.monotonic() + float(self.settings_dict.get(PATIENCE, 0))
        for pause in pauses():
            try:
                return super().get_new_connection(conn_params)
            except self.Database.OperationalError as error:
                if COMING_BACK.search(str(error)) is None or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def is_usable(self) -> bool:
        """Django's health check, without its round trip."""
        return self.connection is not None and not hung_up(self.connection)

    def untouched(self) -> bool:
        """Whether there is a connection on which nothing of a transaction was sent."""
        connection = self.connection
        if connection is None or self.closed_in_transaction:
            return False
        return bool(connection.closed or connection.info.transaction_status == IDLE)

    def may_repeat(self, sql: str) -> bool:
        """Whether `sql`, sent first on an untouched connection, may be sent again."""
        return self.in_atomic_block or not self.autocommit or plain_read(sql)

    def replace(self) -> None:
        """Another connection in the place of an untouched one; `atomic` around it goes on."""
        with suppress(self.Database.Error):
            self.connection.close()
        if not self.in_atomic_block:
            self.connection = None
            self.connect()
            return
        with self.wrap_database_errors:
            self.connection = self.get_new_connection(self.get_connection_params())
        self._set_autocommit(True)
        self.init_connection_state()
        self._set_autocommit(self.autocommit)
        self.errors_occurred = False
        connection_created.send(sender=self.__class__, connection=self)

    def _cursor(self, name: str | None = None) -> Any:
        if self.untouched() and hung_up(self.connection):
            self.replace()
        return super()._cursor(name)

    def make_cursor(self, cursor: Any) -> Any:
        """Django's cursor around that of the driver."""
        return _Cursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> Any:
        """The same where statements are recorded."""
        return _DebugCursor(cursor, self)
