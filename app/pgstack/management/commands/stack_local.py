"""`manage.py stack_local up|down|status|release|reload|backup|restore|delete`: the local target."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from pgstack.commands import CHECK_FAILED, StackCommand
from pgstack.targets import local


class Command(StackCommand):
    help = "Start, stop, show, renew or delete the stack on this host, under one directory."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "action",
            choices=["up", "down", "status", "release", "reload", "backup", "restore", "delete"],
        )
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
        elif action == "delete":
            local.delete(self.stdout.write)
        else:
            self._status()

    def _status(self) -> None:
        if orphans := local.orphans():
            self.stdout.write(
                f"orphans   {', '.join(orphans)}: the directory was deleted or moved under them; "
                "`make down TARGET=local` stops them"
            )
            sys.exit(CHECK_FAILED)
        address, servers, unfinished = local.status()
        width = max((len(server.name) + 1 for server in servers), default=0)
        for server in servers:
            self.stdout.write(
                f"{server.name:<{max(width, 10)}}{server.state}"
                + (f"  {said}" if (said := server.trouble or server.told) else "")
            )
        if unfinished:
            self.stdout.write(f"changes   {unfinished}")
        if unfinished or not servers or not all(server.works for server in servers):
            self.stdout.write("not all running")
            sys.exit(CHECK_FAILED)
        self.stdout.write(f"page      {address}")
