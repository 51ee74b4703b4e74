"""`manage.py stack_status`: one screen of what runs, what is full, who blocks and what to do."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.metrics import screen
from pgstack.ops.terminal import shown
from pgstack.targets import local


class Command(StackCommand):
    help = "Show what runs, what is full, who blocks, what changed last and what to do."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *, json: bool, **options: Any) -> None:
        if orphans := local.orphans():
            self.stdout.write(
                f"orphans   {', '.join(orphans)}: the directory was deleted or moved under them; "
                "`make down TARGET=local` stops them"
            )
            sys.exit(CHECK_FAILED)
        report = local.status()
        for line in [_dumped(report)] if json else screen.lines(report):
            self.stdout.write(shown(line))
        if not report["ok"]:
            sys.exit(CHECK_FAILED)


def _dumped(report: screen.Report) -> str:
    return json.dumps(report, indent=1)
