"""Test databases of a pooled alias."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.backends.postgresql import creation

from pgstack.db import aliases
from pgstack.db.guard import unguarded


class DatabaseCreation(creation.DatabaseCreation):
    """Tests go straight to PostgreSQL: a pooler neither creates a database nor serves one that it
    does not know."""

    def set_as_test_mirror(self, primary_settings_dict: dict[str, Any]) -> None:
        """What the alias is asked is answered on the connection of `default`, within whose
        transaction a TestCase writes."""
        super().set_as_test_mirror(primary_settings_dict)
        self.connection.settings_dict[aliases.MIRRORS_KEY] = True

    def create_test_db(self, *args: Any, **options: Any) -> str:
        """Django's, at the place and as the role of the alias `direct`, where there is one."""
        own, direct = self.connection.settings_dict, connections.settings.get(aliases.DIRECT)
        if direct is not None and aliases.is_pooled(self.connection.alias, own):
            self.connection.close()
            own.update({name: direct[name] for name in aliases.WHERE})
        with unguarded(self.connection):  # migrations, which go to `direct` elsewhere
            return str(super().create_test_db(*args, **options))
