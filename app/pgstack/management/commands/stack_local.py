"""`manage.py stack_local up|down|status|release|reload|backup|restore|upgrade|delete`: the local
target."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command

from pgstack.commands import StackCommand
from pgstack.targets import local


class Command(StackCommand):
    help = "Start, stop, show, renew or delete the stack on this host, under one directory."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "action",
            choices=[
                *("up", "down", "status", "release", "reload"),
                *("backup", "restore", "upgrade", "delete"),
            ],
        )
        parser.add_argument("--rehearse", action="store_true", help="upgrade says how long")
        parser.add_argument("--finish", action="store_true", help="upgrade gives the old data up")
        parser.add_argument("--backup", default="", help="that restore brings back; the newest")
        parser.add_argument(
            "--overwrite", default="", help="yes: restore replaces what is there, and keeps it"
        )

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "up":
            self.stdout.write(f"ready     {local.up(self.stdout.write)}")
        elif action == "down":
            self.stdout.write("stopped" if local.down() else "nothing was running")
        elif action == "release":
            local.release(self.stdout.write)
        elif action == "reload":
            local.reload(self.stdout.write)
        elif action == "backup":
            local.backup(self.stdout.write)
        elif action == "restore":
            overwrite = options["overwrite"] == "yes"
            address = local.restore(self.stdout.write, options["backup"], overwrite)
            self.stdout.write(f"ready     {address}")
        elif action == "upgrade":
            only = {name: bool(options[name]) for name in ("rehearse", "finish")}
            local.upgrade(self.stdout.write, **only)
        elif action == "delete":
            local.delete(self.stdout.write)
        else:
            call_command("stack_status", stdout=self.stdout, stderr=self.stderr)
