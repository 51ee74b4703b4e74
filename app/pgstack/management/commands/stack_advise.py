"""`manage.py stack_advise`: which inputs to change, by what the running stack measured."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.metrics import advised
from pgstack.ops.terminal import shown
from pgstack.targets import local


class Command(StackCommand):
    help = "Say which inputs to change, with the arithmetic, by what the running stack measured."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="say whether the last advice has mended it"
        )
        parser.add_argument(
            "--last", type=float, metavar="SECONDS", help="judge by these alone; 10 at least"
        )
        parser.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *, check: bool, last: float | None, json: bool, **options: Any) -> None:
        plan = local.started()
        before = advised.kept(plan) if check else None
        found = advised.now(plan, last)
        if before:
            well, told = advised.checked(before, found, plan)
            self.stdout.write(shown("\n".join(told)))
            if not well:
                sys.exit(CHECK_FAILED)
            return
        text = (
            advised.dumped(found)
            if json
            else "\n".join(advised.lines(found, advised.refusal(found)))
        )
        self.stdout.write(shown(text))
        advised.keep(found, plan)
