"""`manage.py loaddata` as the owner of the schema, past the pooler: the limits of a request do not
end it half-way."""

from __future__ import annotations

from django.core.management.commands import loaddata

from pgstack.db.owner import OwnersCommand


class Command(OwnersCommand, loaddata.Command):
    """Django's."""
