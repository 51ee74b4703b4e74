"""`manage.py migrate`, on the alias `direct` unless another one is named.

Migrations take locks, run long and own the schema: none of it goes through a transaction pooler.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError

from pgstack.commands import CANNOT


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="direct")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except OperationalError as error:
            message = f"Cannot migrate: {str(error).splitlines()[0]}. Is the stack up? `make status`."
            raise CommandError(message, returncode=CANNOT) from error
