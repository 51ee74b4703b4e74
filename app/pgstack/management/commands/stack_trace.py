"""`manage.py stack_trace NUMBER`: one request in all logs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgstack.commands import StackCommand
from pgstack.errors import InputError
from pgstack.ops import trace
from pgstack.planning.plan import Plan
from pgstack.planning.state import rendered_plan


class Command(StackCommand):
    help = "Show what all logs have of one request, in order of time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="`id` in the access log, in brackets in the error log")
        parser.add_argument("logs", nargs="?", help="- for logs by standard input")

    def handle(self, *, number: str, logs: str | None, **options: Any) -> None:
        lines = sys.stdin if logs == "-" else _lines(rendered_plan())
        self.stdout.write(trace.told(number, lines))


def _lines(plan: Plan | None) -> Iterator[str]:
    """Of the local target's logs, the older file of each first."""
    if plan is None or not Path(plan.paths.log).is_dir():
        raise InputError(
            "The logs are not here. Compose: `make trace ID=…`; a host: `stackctl trace …`."
        )
    for name in (plan.paths.access_log, plan.paths.error_log, f"{plan.paths.log}/postgres.log"):
        for path in (Path(f"{name}.1"), Path(name)):
            if path.exists():
                with path.open(encoding="utf-8", errors="replace") as file:
                    yield from file
