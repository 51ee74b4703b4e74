"""`manage.py dbshell` as the owner of the schema, past the pooler: what is set in it stays with
it."""

from __future__ import annotations

from django.core.management.commands import dbshell

from pgstack.db.owner import OwnersCommand


class Command(OwnersCommand, dbshell.Command):
    only_reads = True
