"""The owner of the schema in the place of `default`, past the pooler: for commands that the web's
role may not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from pgstack.commands import CANNOT
from pgstack.db import aliases
from pgstack.db.guard import unguarded


@contextmanager
def as_owner() -> Iterator[Any]:
    """Make `default` a separate connection as the owner, for everything in this thread that asks
    for `default`."""
    pooled, owners = connections[aliases.POOLED], connections.create_connection(aliases.DIRECT)
    owners.alias = aliases.POOLED
    connections[aliases.POOLED] = owners
    try:
        with unguarded(owners):
            yield owners
    finally:
        owners.close()
        connections[aliases.POOLED] = pooled


def leads_elsewhere() -> bool:
    """Whether `default` goes through the pooler, and `direct` another way that is open to this
    process, with no transaction open.

    In tests `default` goes where `direct` does, and in a transaction a command belongs to it.
    """
    if aliases.DIRECT not in connections.settings:
        return False
    pooled, direct = connections[aliases.POOLED], connections.settings[aliases.DIRECT]
    own = pooled.settings_dict
    if direct.get(aliases.REFUSED_KEY):
        return False
    same = all(own[name] == direct[name] for name in aliases.WHERE)
    return aliases.is_pooled(aliases.POOLED, own) and not same and not pooled.in_atomic_block


class OwnersCommand(BaseCommand):
    """A command of Django's that has `default` as the owner of the schema, where that goes through
    the pooler.

    From the command line; `needs_owner`: called by other code too, for the web's role could not do
    it anyway.
    """

    needs_owner = False
    only_reads = False
    """whether it makes sense on an alias that takes no writes and has no tables of its own"""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Django's, on a connection as the owner."""
        if not self.only_reads:
            refuse_read_only(options["database"])
        wanted = self.needs_owner or getattr(self, "_called_from_command_line", False)
        if not wanted or options["database"] != aliases.POOLED or not leads_elsewhere():
            return super().execute(*args, **options)
        with as_owner() as connection:
            _require(connection)
            return super().execute(*args, **options)


def refuse_read_only(alias: str) -> None:
    """Raise CommandError for an alias that a command can do nothing with."""
    if connections.settings.get(alias, {}).get(aliases.READ_ONLY_KEY):
        raise CommandError(
            f"--database={alias}: it takes no writes and has the tables of `{aliases.POOLED}`. "
            f"Name that one, or leave --database out: docs/replicas.md.",
            returncode=CANNOT,
        )


def _require(connection: Any) -> None:
    """Get in. Raises CommandError with the remedy."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        role = connection.settings_dict["USER"]
        message = (
            f"`{aliases.DIRECT}`, the way past the pooler, does not let this account in as {role}: "
            f"{reason}. Is the "
            "stack up? Run it as the account that deploys: on a host by stack-manage, in Compose "
            "by "
            "`docker compose run --rm manage`."
        )
        raise CommandError(message, returncode=CANNOT) from error
