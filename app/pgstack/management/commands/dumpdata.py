"""`manage.py dumpdata` as the owner, past the pooler: with cursors on the server, and no limits of
a request."""

from __future__ import annotations

from django.core.management.commands import dumpdata

from pgstack.db.owner import OwnersCommand


class Command(OwnersCommand, dumpdata.Command):
    """Django's."""
