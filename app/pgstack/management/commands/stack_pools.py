"""`manage.py stack_pools`: PgBouncer's pools, clients, servers and waits."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from rich.console import Console
from rich.live import Live

from pgstack.commands import StackCommand
from pgstack.live.probes import pooler
from pgstack.management import tables


class Command(StackCommand):
    help = "Show PgBouncer's pools; --watch refreshes until interrupted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="refresh until interrupted")
        parser.add_argument(
            "--interval", type=float, default=1.0, help="seconds between two looks (default 1)"
        )

    def handle(self, *, watch: bool, interval: float, **options: Any) -> None:
        if not watch:
            Console().print(tables.pools(pooler.pools()))
            return
        try:
            with Live(tables.pools(pooler.pools()), auto_refresh=False) as live:
                while True:
                    time.sleep(max(0.1, interval))
                    live.update(tables.pools(pooler.pools()), refresh=True)
        except KeyboardInterrupt:
            pass
