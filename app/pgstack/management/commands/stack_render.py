"""`manage.py stack_render`: write the configuration files of the plan."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.live import account
from pgstack.planning import state
from pgstack.rendering import render, tls
from pgstack.targets import database, directory


class Command(StackCommand):
    help = "Write the configuration files of the plan; --check only shows the difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="show a diff, exit 1 when files on disk differ"
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        plan = state.fresh_plan()
        wanted = [*tls.files(plan), *render.files(plan)]
        if check:
            difference = render.difference(wanted)
            self.stdout.write(difference, ending="")
            sys.exit(CHECK_FAILED if difference else 0)
        if plan.target == "local":
            directory.require(plan)
            account.enter(plan.accounts.web, Path(plan.paths.root), Path(plan.paths.app))
        if plan.target == "compose":
            database.require_locale(plan)
        render.ensure_secrets(plan)
        changed = render.write(wanted)
        self.stdout.write(f"{len(changed)} of {len(wanted)} files changed in {plan.paths.conf}")
        self.stdout.write(f"page      {plan.site.url}")
