"""`manage.py stack_deploy`: what a deploy does to the database."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command

from pgstack.commands import StackCommand
from pgstack.planning import layout, state


class Command(StackCommand):
    help = "Migrate, then run the project's own commands for after it."

    def handle(self, **options: Any) -> None:
        for words in (("migrate", "--no-input"), *layout.commands(state.current_plan())):
            call_command(*words)
