"""Cursors of either driver that send each statement with the search_path of a tenant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import NotSupportedError
from django.db.backends.postgresql.psycopg_any import is_psycopg3

DriversCursor: Any
if is_psycopg3:
    from django.db.backends.postgresql.base import Cursor

    DriversCursor = Cursor
else:
    from psycopg2.extensions import cursor

    DriversCursor = cursor


class ScopedCursor(DriversCursor):  # type: ignore[misc]
    """Without a `database` it is the driver's own."""

    database: Any = None

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """The statement, and the answer to it alone."""
        if self.database is None:
            return super().execute(query, params, **more)
        scope = self.database.scope()
        if params is not None:
            scope = scope.replace("%", "%%")
        answer = super().execute(scope + self._text(query), params, **more)
        if is_psycopg3:  # which has the answer to each of several statements
            self.nextset()
        return answer

    def executemany(self, query: Any, params_seq: Iterable[Any], **more: Any) -> None:
        """One after the other: the driver's own would leave out the scope."""
        if self.database is None:
            super().executemany(query, params_seq, **more)
            return
        for params in params_seq:
            self.execute(query, params)

    def _text(self, query: Any) -> str:
        if isinstance(query, bytes):
            return query.decode()
        return str(query.as_string(self)) if hasattr(query, "as_string") else str(query)


def _refused(name: str) -> Any:
    def refuse(self: ScopedCursor, *args: Any, **options: Any) -> Any:
        if self.database is None:
            return getattr(super(ScopedCursor, self), name)(*args, **options)
        message = (
            f"{name}() goes out without the search_path of a tenant. Use it on the alias `direct` "
            "(pgstack.db.direct), or execute()."
        )
        raise NotSupportedError(message)

    return refuse


for _name in ("callproc", "copy", "copy_expert", "copy_from", "copy_to", "stream"):
    if hasattr(DriversCursor, _name):
        setattr(ScopedCursor, _name, _refused(_name))
