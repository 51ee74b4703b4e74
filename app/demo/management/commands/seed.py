"""`manage.py seed`: rows for the demo's pages and accounts for its ledger."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InternalError, ProgrammingError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from demo.models import WORLD_ROWS
from demo.seeding import Step, seed

CORRUPTED = ("XX001", "XX002")
"""PostgreSQL's codes for a damaged page of a table or an index."""

MAX_WORLDS = 2**31 - 1
"""The largest id that PostgreSQL's integer holds."""


def _worlds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not WORLD_ROWS <= int(text) <= MAX_WORLDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number from {WORLD_ROWS:,} (the pages read that many) to "
            f"{MAX_WORLDS:,}."
        )
    return int(text)


class Command(BaseCommand):
    """Fill the demo's tables."""

    help = "Add what is missing of the demo's rows. Can be repeated; accounts keep their balances."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """`--worlds`."""
        parser.add_argument(
            "--worlds", type=_worlds, default=WORLD_ROWS, help="rows in the benchmark's table"
        )

    def handle(self, *, worlds: int, **options: Any) -> None:
        """Seed with a bar per table."""
        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[added]:,} new"),
        )
        try:
            with Progress(*columns) as bars:
                _show(seed(worlds), bars)
        except ProgrammingError as error:
            raise _failed(error, "Run `manage.py migrate` first.") from error
        except InternalError as error:
            raise _failed(error, _internal(error)) from error
        except DatabaseError as error:
            raise _failed(
                error, "Check that the stack is up and run it again; rows already there are kept."
            ) from error


def _show(steps: Iterable[Step], bars: Progress) -> None:
    tasks: dict[str, TaskID] = {}
    for step in steps:
        if step.table not in tasks:
            tasks[step.table] = bars.add_task(step.table, total=step.total, added=0)
        bars.update(tasks[step.table], completed=step.done, added=step.added)


def _internal(error: InternalError) -> str:
    """What helps against an error that is PostgreSQL's own: starting it again does not."""
    state = getattr(error.__cause__, "pgcode", None) or getattr(error.__cause__, "sqlstate", None)
    if state in CORRUPTED:
        return "The data on disk is damaged: restore a backup (docs/backups.md)."
    return "See PostgreSQL's log."


def _failed(error: Exception, remedy: str) -> CommandError:
    reason = str(error).splitlines()[0]
    return CommandError(f"Cannot seed: {reason}. {remedy}", returncode=2)
