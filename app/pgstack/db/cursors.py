"""Django's cursors, which look at a statement before it is sent and repeat it where that cannot do
anything twice."""

from __future__ import annotations

from time import monotonic
from typing import Any, Protocol

from django.db import Error
from django.db.backends import utils
from django.db.backends.postgresql import base

from pgstack.db import repeat
from pgstack.db.errors import explain
from pgstack.serving.current import CURRENT

MOST_SENT = 1
"""times that a statement may have run and is sent again: one that ends its backend would end all
others with it"""


class Alias(Protocol):
    """What a cursor needs of its alias, which is `pgstack.db.base.DatabaseWrapper`."""

    connection: Any
    pooled: bool
    read_only: bool
    lost_transaction: bool

    def look_at(self, sql: Any) -> None:
        """Show a statement to the guard before it is sent."""

    def is_untouched(self) -> bool:
        """Whether the next statement is the first one of its transaction."""

    def may_repeat(self, sql: Any, error: Exception) -> bool:
        """Whether `sql`, answered by `error`, may be sent again."""

    def may_wait(self, pause: float) -> bool:
        """Whether a server that is away is waited for, for `pause` seconds more."""

    def come_back(self) -> None:
        """Another connection, on which a server answers."""

    def answered(self) -> None:
        """Note that the server has answered a statement."""

    def create_cursor(self, name: str | None = None) -> Any:
        """A cursor of the driver; one with a `name` is the server's."""


class _Watched:
    """What both kinds of cursor have on top of Django's."""

    db: Alias
    cursor: Any

    def _execute(self, sql: Any, params: Any, *ignored: Any) -> Any:
        begun = monotonic()
        try:
            return self._repeated(sql, params, *ignored)
        finally:
            CURRENT.seconds += monotonic() - begun
            CURRENT.statements += 1

    def _repeated(self, sql: Any, params: Any, *ignored: Any) -> Any:
        self.db.look_at(sql)
        repeats = sent = 0
        while True:
            untouched = self.db.is_untouched()
            try:
                answer = super()._execute(self._told(sql), params, *ignored)  # type: ignore[misc]
            except Error as error:
                self.db.lost_transaction = not untouched
                if self.db.pooled:
                    explain(error, read_only=self.db.read_only)
                # A named cursor is a portal on the connection that is gone.
                if (
                    not untouched
                    or getattr(self.cursor, "name", None)
                    or not self.db.may_repeat(sql, error)
                ):
                    raise
                sent += not repeat.did_not_run(error)
                if sent > MOST_SENT or (repeats and not self.db.may_wait(0)):
                    raise
                changed = repeat.PLAN_CHANGED in str(error)
            else:
                self.db.answered()
                return answer
            repeats += 1
            self.db.come_back()
            if changed:
                # The pooler would lead a statement that is prepared anew to the same old plan.
                self.db.connection.prepare_threshold = None
            self.cursor = self.db.create_cursor()

    def _told(self, sql: Any) -> Any:
        """With the number of the request, for PostgreSQL's log; but for what is prepared, which has
        to be the same text each time."""
        if not CURRENT.number or not isinstance(sql, str):
            return sql
        if getattr(self.db.connection, "prepare_threshold", None) is not None:
            return sql
        return f"{sql} /*id='{CURRENT.number}'*/"

    def _executemany(self, sql: Any, params: Any, *ignored: Any) -> Any:
        self.db.look_at(sql)
        begun = monotonic()
        try:
            return super()._executemany(self._told(sql), params, *ignored)  # type: ignore[misc]
        finally:
            CURRENT.seconds += monotonic() - begun
            CURRENT.statements += len(params) if hasattr(params, "__len__") else 1


class Cursor(_Watched, utils.CursorWrapper):
    """The cursor of production."""


class DebugCursor(_Watched, base.CursorDebugWrapper):
    """The same where statements are recorded."""
