"""`manage.py seed`: rows for the demo's pages and accounts for its ledger."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from demo.models import WORLD_ROWS
from demo.seeding import seed

MAX_WORLDS = 2**31 - 1
"""The largest id that PostgreSQL's integer holds."""


def _worlds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not WORLD_ROWS <= int(text) <= MAX_WORLDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number from {WORLD_ROWS:,} (the pages read that many) to {MAX_WORLDS:,}."
        )
    return int(text)


class Command(BaseCommand):
    """Fill the demo's tables."""

    help = "Add what is missing of the demo's rows. Can be repeated; accounts keep their balances."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """`--worlds`."""
        parser.add_argument("--worlds", type=_worlds, default=WORLD_ROWS, help="rows in the benchmark's table")

    def handle(self, *, worlds: int, **options: Any) -> None:
        """Seed with a bar per table."""
        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[added]:,} new"),
        )
        with Progress(*columns) as bars:
            tasks: dict[str, Any] = {}
            for step in seed(worlds):
                if step.table not in tasks:
                    tasks[step.table] = bars.add_task(step.table, total=step.total, added=0)
                bars.update(tasks[step.table], completed=step.done, added=step.added)
