"""`manage.py stack_owner COMMAND …`: another management command, as the owner of the schema."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand, CommandParser

from pgstack.db.owner import as_owner


class Command(BaseCommand):
    help = "Run a management command as the owner of the schema, past the pooler"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the command")
        parser.add_argument("words", nargs=argparse.REMAINDER, help="its own arguments")

    def handle(self, *_: Any, name: str, words: list[str], **__: Any) -> None:
        command = ManagementUtility([sys.argv[0], name]).fetch_command(name)
        with as_owner():
            command.run_from_argv([sys.argv[0], name, *words])
