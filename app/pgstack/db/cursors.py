"""Django's cursors, which look at a statement before it is sent and repeat it where that cannot do
anything twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import Error
from django.db.backends import utils
from django.db.backends.postgresql import base

from pgstack.db import repeat
from pgstack.db.errors import explain

if TYPE_CHECKING:
    from pgstack.db.base import DatabaseWrapper


MOST_SENT = 1
"""times that a statement may have run and is sent again: one that ends its backend would end all
others with it"""


class _Watched:
    """What both kinds of cursor have on top of Django's."""

    db: DatabaseWrapper
    cursor: Any

    def _execute(self, sql: Any, params: Any, *ignored: Any) -> Any:
        self.db.look_at(sql)
        repeats = sent = 0
        while True:
            untouched = self.db.is_untouched()
            try:
                answer = super()._execute(sql, params, *ignored)  # type: ignore[misc]
            except Error as error:
                self.db.lost_transaction = not untouched
                if self.db.pooled:
                    explain(error)
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
            if (
                changed
            ):  # the pooler would lead a statement that is prepared anew to the same old plan
                self.db.connection.prepare_threshold = None
            self.cursor = self.db.create_cursor()

    def _executemany(self, sql: Any, params: Any, *ignored: Any) -> Any:
        self.db.look_at(sql)
        return super()._executemany(sql, params, *ignored)  # type: ignore[misc]


class Cursor(_Watched, utils.CursorWrapper):
    """The cursor of production."""


class DebugCursor(_Watched, base.CursorDebugWrapper):
    """The same where statements are recorded."""
