"""`manage.py stack_verify`: proof that the running stack is the planned one."""

from __future__ import annotations

import json as encoder
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.live.verify import verify, verify_as_stranger
from pgstack.live.verify.finding import Finding
from pgstack.management import tables
from pgstack.planning import state


class Command(StackCommand):
    help = "Ask the live servers whether they are what was planned; exit 1 when they are not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument(
            "--stranger", action="store_true", help="only prove that this account is refused"
        )

        parser.add_argument(
            "--strangers", action="append", default=[], help="what strangers have found, as JSON"
        )

    def handle(self, *, json: bool, stranger: bool, strangers: list[str], **options: Any) -> None:
        plan = state.started_plan()
        of_strangers = [Finding(**fields) for text in strangers for fields in encoder.loads(text)]
        findings = verify_as_stranger(plan) if stranger else verify(plan, of_strangers)
        if json:
            self.stdout.write(encoder.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            tables.findings(findings)
        sys.exit(CHECK_FAILED if any(finding.holds is False for finding in findings) else 0)
