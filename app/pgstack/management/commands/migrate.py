"""`manage.py migrate`, straight to PostgreSQL unless another alias is named.

Migrations take locks, run long and own the schema: none of it goes through a transaction pooler.
Within the command `default` leads where `direct` does, for projects name it: routers let migrations
onto `default` only, and data migrations write to it, in the transaction that made the table. Where
one was applied the pooler's backends are replaced, if this account may: they know the schema as it
was. The web's role may read, not write, which ones were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder

from pgstack.checks import planned
from pgstack.commands import CANNOT
from pgstack.db.aliases import DIRECT
from pgstack.db.guard import unguarded
from pgstack.db.owner import as_owner, refuse_read_only
from pgstack.live.probes import pooler

LOCK_TIMEOUT = "due to lock timeout"
TABLES = """
    SELECT place, pg_get_serial_sequence(place, 'id')
      FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace,
           format('%%I.%%I', nspname, relname) AS place
     WHERE relname = %s AND relkind = 'r'"""
"""those of a name, one in each tenant's schema, and their sequences"""
TENANTS = "django_tenants"
OF_TENANTS = (
    *("app_label", "migration_name", "verbosity", "interactive", "fake", "fake_initial", "plan"),
    *("check_unapplied", "run_syncdb", "prune"),
)
"""options that `migrate_schemas` takes too"""
LOCK = 0x737461636B
"""number of the advisory lock that a migration holds: "stack" in ASCII"""


@contextmanager
def exclusive_lock(alias: str) -> Iterator[None]:
    """Hold the lock that only one migration of a database can have, whichever host it comes from.

    It ends with the connection. Raises OperationalError when another one has it for longer than
    `lock_timeout`.
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


def close(alias: str, role: str) -> None:
    """Keep the web's role from writing what says which migrations were applied; the owner's
    privileges stay."""
    connection = connections[alias]
    name = MigrationRecorder.Migration._meta.db_table  # noqa: SLF001 - Django's documented API
    grantee = connection.ops.quote_name(role)
    with connection.cursor() as cursor:
        cursor.execute(TABLES, [name])
        for table, sequence in cursor.fetchall():
            cursor.execute(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {grantee}")
            cursor.execute(f"REVOKE ALL ON SEQUENCE {sequence} FROM {grantee}")


def applied(alias: str) -> set[tuple[str, str]]:
    """App and name of each migration that the database has."""
    return set(MigrationRecorder(connections[alias]).applied_migrations())


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=DIRECT)

    def handle(self, *args: Any, **options: Any) -> None:
        named = options.pop("database")
        refuse_read_only(named)
        try:
            alias = DEFAULT_DB_ALIAS if named == DIRECT else named
            with (
                exclusive_lock(named),
                as_owner() if named == DIRECT else nullcontext(),
                unguarded(connections[alias]),
            ):
                before = applied(alias)
                tenants = apps.is_installed(TENANTS)
                if tenants:
                    call_command("migrate_schemas", **{name: options[name] for name in OF_TENANTS})
                else:
                    super().handle(*args, **options, database=alias)
                self._close(alias)
                if tenants or applied(alias) != before:
                    self._renew_backends(options["verbosity"])
        except OperationalError as error:
            reason = f"{str(error).splitlines()[0]}. Is the stack up? `make status`."
            if LOCK_TIMEOUT in str(error):
                reason = (
                    "something holds a lock that it needs, another migration perhaps. Try again "
                    "when it has ended."
                )
            message = f"Cannot migrate: {reason}"
            raise CommandError(message, returncode=CANNOT) from error

    def _close(self, alias: str) -> None:
        plan, recorder = planned.plan(), MigrationRecorder(connections[alias])
        if alias == DEFAULT_DB_ALIAS and plan is not None and recorder.has_table():
            close(alias, plan.roles.app)

    def _renew_backends(self, verbosity: int) -> None:
        plan = planned.plan()
        if plan is not None and not pooler.reconnect(plan) and verbosity > 0:
            self.stdout.write(
                "The pooler keeps its backends: only its own account may give it RECONNECT."
            )
