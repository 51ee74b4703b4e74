"""`manage.py stack_advise`: which inputs to change, by what the running stack or a run of the load
lab measured."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.metrics import advised, lab
from pgstack.metrics.refusal import refusal
from pgstack.ops.terminal import shown
from pgstack.targets import local


class Command(StackCommand):
    help = "Say which inputs to change, with the arithmetic, by what was measured."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="say whether the last advice has mended it"
        )
        judged = parser.add_mutually_exclusive_group()
        judged.add_argument(
            "--last", type=float, metavar="SECONDS", help="judge by these alone; 10 at least"
        )
        judged.add_argument(
            "--from", type=Path, dest="run", metavar="DIR", help="judge by a run of `make loadtest`"
        )
        parser.add_argument("--json", action="store_true", help="for machines")

    def handle(
        self, *, check: bool, last: float | None, run: Path | None, json: bool, **options: Any
    ) -> None:
        subject = lab.run(run) if run else advised.running(local.started(), last)
        before = advised.kept(subject) if check else None
        advice = subject.advised()
        if before:
            well, told = advised.checked(before, advice, subject.plan)
            self.stdout.write(shown("\n".join(told)))
            if not well:
                sys.exit(CHECK_FAILED)
            return
        said = advised.lines(advice, subject.plan, refusal(advice), subject.change)
        self.stdout.write(shown(advised.dumped(advice) if json else "\n".join(said)))
        advised.save(advice, subject.file)
