"""`manage.py flush` as the owner, past the pooler: emptying tables with their sequences is for
whoever owns them."""

from __future__ import annotations

from django.core.management.commands import flush

from pgstack.db.owner import OwnersCommand


class Command(OwnersCommand, flush.Command):
    needs_owner = True
