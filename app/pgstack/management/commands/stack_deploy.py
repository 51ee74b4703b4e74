"""`manage.py stack_deploy`: what a deploy does to the database."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command

from pgstack.commands import StackCommand
from pgstack.planning import layout, state
from pgstack.targets import workers
from pgstack.targets.run import Run


class Command(StackCommand):
    help = "Migrate, then run the project's own commands for after it."

    def handle(self, **options: Any) -> None:
        plan = state.current_plan()
        workers.require_commands(Run(plan, self.stdout.write))
        for words in (("migrate", "--no-input"), *layout.commands(plan)):
            call_command(*words)
