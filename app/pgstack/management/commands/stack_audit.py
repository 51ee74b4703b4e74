"""`manage.py stack_audit`: what breaks in this project behind a transaction pooler."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from pgstack.audit import cli
from pgstack.checks import project
from pgstack.commands import StackCommand


class Command(StackCommand):
    help = (
        "Look for what transaction pooling breaks, in the project and the packages of its "
        "installed apps."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        cli.add_arguments(parser)
        parser.add_argument(
            "--project-only",
            action="store_true",
            help="leave out the packages of the installed apps",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = Namespace(**options)
        packages = [] if given.project_only or given.paths else project.packages()
        note = (
            f"Settings read: {', '.join(project.pooled_aliases()) or 'no alias'} judged as pooled."
        )
        sys.exit(
            cli.perform(
                given, project.root(), packages=packages, settings=project.for_audit(), note=note
            )
        )
