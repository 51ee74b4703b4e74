"""`manage.py stack_render`: write the configuration files of the plan."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.external import survey
from pgstack.planning import state
from pgstack.rendering import files, templates, tls
from pgstack.targets import files as target_files


class Command(StackCommand):
    help = "Write the configuration files of the plan; --check only shows the difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="show a diff, exit 1 when files on disk differ"
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        server = None if check else survey.ask(state.inputs())
        plan = survey.fresh_plan(server)
        wanted = [*tls.files(plan), *templates.files(plan)]
        if check:
            difference = files.difference(wanted)
            self.stdout.write(difference, ending="")
            sys.exit(CHECK_FAILED if difference else 0)
        changed = target_files.write(plan, wanted, server, self.stdout.write)
        self.stdout.write(f"{len(changed)} of {len(wanted)} files changed in {plan.paths.conf}")
        self.stdout.write(f"page      {plan.site.url}")
