"""`manage.py createcachetable` as the owner of the schema, past the pooler: the web's role makes no
tables."""

from __future__ import annotations

from django.core.management.commands import createcachetable

from pgstack.db.owner import OwnersCommand


class Command(OwnersCommand, createcachetable.Command):
    needs_owner = True
