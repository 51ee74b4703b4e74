"""`manage.py migrate`, on the alias `direct` unless another one is named.

Migrations take locks, run long and own the schema: none of it goes through a transaction pooler.
"""

from __future__ import annotations

from django.core.management.base import CommandParser
from django.core.management.commands import migrate


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="direct")
