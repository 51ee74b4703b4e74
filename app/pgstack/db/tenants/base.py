"""django-tenants' backend behind a transaction pooler: no session ever has a tenant's search_path.

The package sets search_path for the session, and the statement that follows may be sent to another
backend, which has a stranger's. Here each statement goes out with the search_path that it needs, in
one message: `SET LOCAL search_path = …; SELECT …`. PostgreSQL runs a message in one transaction, so
a pooler gives it to one backend, and what is SET LOCAL ends with the transaction. Nothing is
remembered of a connection, so nothing can be out of date after a rollback, a repetition or a new
backend.

The package's `ORIGINAL_BACKEND` is `pgstack.db` or `pgstack.db.postgis` (the overlay sees to it),
which brings the liveness check, the repetition and the guard. An alias that goes past the pooler is
the package's own.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django_tenants.postgresql_backend import base as tenants
from django_tenants.utils import quote_schema_name

from pgstack.db import base
from pgstack.db.tenants.cursors import ScopedCursor


class DatabaseWrapper(tenants.DatabaseWrapper):  # type: ignore[misc]
    """One alias; see the module."""

    def __init__(self, settings_dict: dict[str, Any], alias: str) -> None:
        super().__init__(settings_dict, alias)
        if not isinstance(self, base.DatabaseWrapper):
            raise ImproperlyConfigured(
                "ORIGINAL_BACKEND: pgstack.db.tenants needs 'pgstack.db' or 'pgstack.db.postgis'."
            )
        if self.pooled and (settings_dict.get("OPTIONS") or {}).get("server_side_binding"):
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}]['OPTIONS']['server_side_binding']: a statement of a tenant "
                "goes out with its search_path, which PostgreSQL does not take with parameters. "
                "Leave it out."
            )

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection whose cursors say for which tenant a statement is."""
        made = super().get_new_connection(conn_params)
        if self.pooled:
            made.cursor_factory = ScopedCursor
        return made

    def create_cursor(self, name: str | None = None) -> Any:
        """Django's; one on the server sees its tables when it is declared, in a transaction."""
        cursor = super().create_cursor(name)
        if not self.pooled:
            return cursor
        if name:
            with self.connection.cursor() as scoped:
                scoped.database = self
                scoped.execute("SELECT 1")
        else:
            cursor.database = self
        return cursor

    def scope(self) -> str:
        """What is sent before a statement: `SET LOCAL search_path` to the tenant's schemas."""
        path = ", ".join(map(quote_schema_name, self._get_cursor_search_paths()))
        return f"SET LOCAL search_path = {path}; "

    def _handle_search_path(self, cursor: Any = None) -> None:
        if not self.pooled:
            super()._handle_search_path(cursor)
