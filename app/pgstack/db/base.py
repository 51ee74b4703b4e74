"""Django's PostgreSQL backend, for connections that outlive requests behind a transaction pooler.

- A connection is replaced by a new one between two requests, or before a transaction's first
  statement, when the other side has hung up, which the kernel knows: no round trip, as
  CONN_HEALTH_CHECKS would make. Between two requests also when its socket's path leads to another
  socket: another instance of PgBouncer has taken over, and the old one waits for its clients to
  leave. What answered a moment ago (FRESH_SECONDS) is not asked.
- Connecting is tried again for a while (PATIENCE_SECONDS of the alias): what is being restarted is
  back in a moment.
- A statement that met a dying pooler, or no server behind it, is sent again where that cannot do
  anything twice: `may_repeat`. Before that a server is waited for as long as connecting is tried.
- A connection ends with its thread, whoever started that: Django leaves it to the collector, which
  comes late.
- Statements that leave something in a session, which is a stranger's at the pooler, are refused or
  reported: `guard`.

docs/database-backend.md says what it never does.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections
from django.db.backends.postgresql import base

from pgstack.db import aliases, cursors, guard, repeat, replica, threads
from pgstack.db.creation import DatabaseCreation
from pgstack.db.liveness import COMING_BACK, UNKNOWN, Outage, hung_up, pauses

PATIENCE = "PATIENCE_SECONDS"
"""key of an alias in DATABASES: how long from the beginning of an outage connecting is tried again,
and a statement that may be; 0, the default, is once"""
OTHERWISE = "OTHERWISE"
"""key of an alias: the database to connect to where the pooler does not know NAME any more"""
REPEAT = "REPEAT"
"""key of an alias: False never sends a statement twice"""
FRESH_SECONDS = 0.002
"""a connection that answered so recently is not looked at: the look costs more than all else in
this module"""
ANYBODY = "SHOW server_version_num"
"""asks whether there is a server behind the pooler; takes no snapshot, so SET TRANSACTION may
follow"""
IDLE, IN_TRANSACTION = 0, 2
"""transaction status of libpq (PQTRANS_IDLE, _INTRANS): nothing of a transaction was sent; one
takes statements. The others: a statement runs, the transaction is aborted, the connection is bad"""

OUTAGES: dict[str, Outage] = {}
"""of each alias, for all threads of the process"""


class DatabaseWrapper(base.DatabaseWrapper):
    """One alias; see the module."""

    creation_class = DatabaseCreation
    place: tuple[int, int] | None = None
    """what the socket's path led to when the connection was made"""
    seen = 0.0
    """when the connection was known to be alive, on the monotonic clock"""

    lost_transaction = False
    """whether a statement failed within a transaction; Django does not know of one that BEGIN has
    begun"""

    def __init__(self, settings_dict: dict[str, Any], alias: str = aliases.POOLED) -> None:
        super().__init__(settings_dict, alias=alias)
        host, port = settings_dict["HOST"], settings_dict["PORT"] or 5432
        self.socket = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else None
        self.outage = OUTAGES.setdefault(alias, Outage())
        self.pooled = aliases.is_pooled(alias, settings_dict)
        guarded = self.pooled and settings_dict.get(guard.KEY) != "off"
        self.guard = guard.Guard(alias, settings_dict.get(guard.KEY)) if guarded else None
        self.read_only = bool(settings_dict.get(aliases.READ_ONLY_KEY))
        self.notes_writes = bool(settings_dict.get(aliases.NOTES_WRITES_KEY))

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the driver; tried again while the other side is being restarted."""
        if reason := self.settings_dict.get(aliases.REFUSED_KEY):
            raise ImproperlyConfigured(f"`{self.alias}`: {reason}")
        for pause in pauses():
            self.place, self.lost_transaction = self._leads_to(), False
            try:
                made = super().get_new_connection(conn_params)
            except self.Database.OperationalError as error:
                otherwise = self.settings_dict.get(OTHERWISE)
                if otherwise not in (None, conn_params.get("dbname")) and UNKNOWN.search(
                    str(error)
                ):
                    conn_params = {**conn_params, "dbname": otherwise}
                    continue
                if COMING_BACK.search(str(error)) is None or not self.may_wait(pause):
                    raise
            else:
                threads.ends_with_this_thread(self)
                return made
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def close_if_unusable_or_obsolete(self) -> None:
        """Django calls this between two requests."""
        if self.connection is not None and not self.in_atomic_block and not self._is_fresh():
            if self._is_stale():
                self.close()
                return
            self.seen = time.monotonic()
        super().close_if_unusable_or_obsolete()

    def is_usable(self) -> bool:
        """Django's health check, without its round trip: in an aborted transaction no statement
        would be answered."""
        connection = self.connection
        if connection is None or hung_up(connection):
            return False
        return connection.info.transaction_status in (IDLE, IN_TRANSACTION)

    def is_untouched(self) -> bool:
        """Whether the next statement is the first one of its transaction, on a connection that
        there is."""
        connection = self.connection
        if connection is None or self.closed_in_transaction or self.pool:
            return False
        if connection.closed:  # within a transaction, nobody knows what was sent before
            return not self._in_transaction() and not self.lost_transaction
        return bool(connection.info.transaction_status == IDLE)

    def may_repeat(self, sql: Any, error: Exception) -> bool:
        """Whether `sql`, sent first and answered by `error`, may be sent again.

        Yes where it provably did not run, where it only reads, and within a transaction, of which
        nothing lasts before COMMIT. Never a later statement of a transaction, a COMMIT, or a write
        outside of one.
        """
        if not isinstance(sql, str) or not self.settings_dict.get(REPEAT, True):
            return False
        if self._in_transaction() or repeat.did_not_run(error):
            known = repeat.first_of_transaction(sql)
        else:
            known = repeat.plain_read(sql)
        return known and self._is_gone(error)

    def may_wait(self, pause: float) -> bool:
        """Whether a server that is away now is waited for once more, for `pause` seconds."""
        end = self.outage.give_up_at(float(self.settings_dict.get(PATIENCE, 0)))
        return time.monotonic() + pause <= end

    def come_back(self) -> None:
        """Another connection in the place of an untouched one, on which a server answers; waits for
        it to come back."""
        for pause in pauses():
            self.replace()
            try:
                with self.wrap_database_errors, self.connection.cursor() as cursor:
                    cursor.execute(ANYBODY)
                    return
            except Error as error:
                if not self._is_gone(error) or not self.may_wait(pause):
                    raise
            time.sleep(pause)

    def answered(self) -> None:
        """Note that a statement was answered: the connection is alive, an outage over."""
        self.seen = time.monotonic()
        self.outage.over()

    def replace(self) -> None:
        """Another connection in the place of an untouched one; `atomic` blocks around it go on with
        it."""
        names = (
            "autocommit",
            "in_atomic_block",
            "savepoint_ids",
            "atomic_blocks",
            "needs_rollback",
            "run_on_commit",
        )
        kept = {name: getattr(self, name) for name in names}
        old = self.connection
        with suppress(self.Database.Error):
            old.close()
        self.connection, self.in_atomic_block = None, False
        try:
            with self.wrap_database_errors:
                self.connect()
                self._set_autocommit(kept["autocommit"])  # type: ignore[attr-defined]
        except BaseException:
            if kept["in_atomic_block"]:  # as close() leaves it: the end of the block clears up
                self.connection, self.closed_in_transaction, kept["needs_rollback"] = (
                    old,
                    True,
                    True,
                )
            raise
        finally:
            for name, value in kept.items():
                setattr(self, name, value)

    def look_at(self, sql: Any) -> None:
        """Show a statement to the guard before it is sent, and to what keeps reads and writes
        apart."""
        if self.read_only:
            replica.refuse_write(self.alias, sql)
        elif self.notes_writes:
            replica.look_at(sql)
        if self.guard is not None:
            self.guard.look_at(sql, self.connection, in_transaction=self._in_own_transaction())

    def check_constraints(self, table_names: Any = None) -> None:
        """Django's; it ends what it sets, and a TestCase calls it within its own transaction."""
        with guard.unguarded(self):
            super().check_constraints(table_names)

    def chunked_cursor(self) -> Any:
        """A cursor on the server, which is safe within a transaction only."""
        self.ensure_connection()
        if self.guard is not None and not self._in_own_transaction():
            self.guard.report("H001", "a server-side cursor outside of a transaction")
        return super().chunked_cursor()

    def make_cursor(self, cursor: Any) -> Any:
        """Django's cursor around that of the driver."""
        return cursors.Cursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> Any:
        """The same where statements are recorded."""
        return cursors.DebugCursor(cursor, self)

    def _cursor(self, name: str | None = None) -> Any:
        if self.settings_dict.get(aliases.MIRRORS_KEY):
            default = connections[aliases.POOLED]
            default.ensure_connection()
            return self._prepare_cursor(default.create_cursor(name))  # type: ignore[attr-defined]
        if not self._is_fresh() and self.is_untouched() and hung_up(self.connection):
            self.replace()
        return super()._cursor(name)  # type: ignore[misc]

    def _is_gone(self, error: Exception) -> bool:
        return hung_up(self.connection) or repeat.did_not_run(error)

    def _in_transaction(self) -> bool:
        return self.in_atomic_block or not self.autocommit

    def _in_own_transaction(self) -> bool:
        """Whether production would be in a transaction here: that of a TestCase is not there
        then."""
        if self.in_atomic_block:
            return not aliases.in_test_case(self)
        return not self.autocommit

    def _is_fresh(self) -> bool:
        return not self.errors_occurred and time.monotonic() - self.seen < FRESH_SECONDS

    def _is_stale(self) -> bool:
        return hung_up(self.connection) or (
            self.place is not None and self._leads_to() not in (None, self.place)
        )

    def _leads_to(self) -> tuple[int, int] | None:
        """Device and number of the socket; None over TCP, and while there is none."""
        if self.socket is None:
            return None
        try:
            status = os.stat(self.socket)  # noqa: PTH116 - in each request
        except OSError:
            return None
        return status.st_dev, status.st_ino
