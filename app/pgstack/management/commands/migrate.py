"""`manage.py migrate`, straight to PostgreSQL unless another alias is named.

Migrations take locks, run long and own the schema: none of it goes through a transaction pooler. Within the command
`default` leads where `direct` does, for projects name it: routers let migrations onto `default` only, and data
migrations write to it, in the transaction that made the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

from pgstack.commands import CANNOT

DIRECT = "direct"
LOCK_TIMEOUT = "due to lock timeout"
LOCK = 0x737461636B
"""number of the advisory lock that a migration holds: "stack" in ASCII"""


@contextmanager
def alone(alias: str) -> Iterator[None]:
    """Hold the lock that only one migration of a database can have, whichever host it comes from.

    It ends with the connection. Raises OperationalError when another one has it for longer than `lock_timeout`.
    """
    connection = connections[alias]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        connection.close()


@contextmanager
def straight() -> Iterator[None]:
    """Have `default` be a connection as the owner of the schema, past the pooler."""
    pooled, owners = connections[DEFAULT_DB_ALIAS], connections.create_connection(DIRECT)
    owners.alias = DEFAULT_DB_ALIAS
    connections[DEFAULT_DB_ALIAS] = owners
    try:
        yield
    finally:
        owners.close()
        connections[DEFAULT_DB_ALIAS] = pooled


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=DIRECT)

    def handle(self, *args: Any, **options: Any) -> None:
        named = options.pop("database")
        try:
            with alone(named), straight() if named == DIRECT else nullcontext():
                super().handle(*args, **options, database=DEFAULT_DB_ALIAS if named == DIRECT else named)
        except OperationalError as error:
            reason = f"{str(error).splitlines()[0]}. Is the stack up? `make status`."
            if LOCK_TIMEOUT in str(error):
                reason = "something holds a lock that it needs, another migration perhaps. Try again when it ended."
            message = f"Cannot migrate: {reason}"
            raise CommandError(message, returncode=CANNOT) from error
