"""`manage.py stack_plan`: the plan these inputs give on this machine."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from pgstack.commands import StackCommand
from pgstack.external import survey
from pgstack.management import tables
from pgstack.planning import state

ONE_ACCOUNT = (
    "The web, the owner of the schema and PostgreSQL's superuser are one account here, {}: code "
    "that runs in a request "
    "reads and changes everything. On Compose and on a host each has its own."
)

ONE_ACCOUNT_OF_OTHERS = (
    "The web and the owner of the schema are one account here, {}: code that runs in a request "
    "finds the owner's password, and reads and changes everything in the database."
)


class Command(StackCommand):
    help = "Show the plan for this machine, with the arithmetic."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the plan as JSON")
        parser.add_argument("--inputs", action="store_true", help="list every input instead")

    def handle(self, *, json: bool, inputs: bool, **options: Any) -> None:
        if inputs:
            tables.inputs()
            return
        given = state.inputs()
        server = survey.ask(given) if survey.may_ask(given) else None
        plan = survey.fresh_plan(server)
        if json:
            self.stdout.write(plan.model_dump_json(indent=2))
        else:
            tables.plan(plan)
        if plan.accounts.web == plan.accounts.postgres and not json:
            told = ONE_ACCOUNT_OF_OTHERS if plan.external else ONE_ACCOUNT
            self.stdout.write(told.format(plan.accounts.web))
