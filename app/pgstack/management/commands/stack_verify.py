"""`manage.py stack_verify`: proof that the running stack is the planned one."""

from __future__ import annotations

import json as encoder
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from pgstack import state, tables
from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.verify import verify


class Command(StackCommand):
    help = "Ask the live servers whether they are what was planned; exit 1 when they are not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *, json: bool, **options: Any) -> None:
        findings = verify(state.current_plan())
        if json:
            self.stdout.write(encoder.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            tables.findings(findings)
        sys.exit(0 if all(finding.holds for finding in findings) else CHECK_FAILED)
