"""`manage.py migrate`, on the alias `direct` unless another one is named.

Migrations take locks, run long and own the schema: none of it goes through a transaction pooler. Where one was applied
the pooler's backends are replaced, if this account may: they know the schema as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder

from pgstack import planned
from pgstack.commands import CANNOT
from pgstack.db.guard import unguarded
from pgstack.probes import pooler

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


def applied(alias: str) -> set[tuple[str, str]]:
    """App and name of each migration that the database has."""
    return set(MigrationRecorder(connections[alias]).applied_migrations())


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="direct")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with alone(options["database"]), unguarded(connections[options["database"]]):
                before = applied(options["database"])
                super().handle(*args, **options)
                if applied(options["database"]) != before:
                    self._renew_backends(options["verbosity"])
        except OperationalError as error:
            reason = f"{str(error).splitlines()[0]}. Is the stack up? `make status`."
            if LOCK_TIMEOUT in str(error):
                reason = "something holds a lock that it needs, another migration perhaps. Try again when it ended."
            message = f"Cannot migrate: {reason}"
            raise CommandError(message, returncode=CANNOT) from error

    def _renew_backends(self, verbosity: int) -> None:
        plan = planned.plan()
        if plan is not None and not pooler.reconnect(plan) and verbosity > 0:
            self.stdout.write("The pooler keeps its backends: only its own account may give it RECONNECT.")
