"""`python -m pgstack.metrics`: the exporter, until it is told to end; where the plan has none it
waits for that. With `scrape`, what one that runs answers."""

from __future__ import annotations

import signal
import sys
import time
from functools import partial
from pathlib import Path

from pgstack import idle
from pgstack.errors import ProbeError, ends_the_process
from pgstack.live.probes import bounded
from pgstack.live.probes.exporter import scrape
from pgstack.metrics import exporter
from pgstack.metrics.server import Server, beside
from pgstack.metrics.sources import Sources
from pgstack.planning.metrics import Metrics

OFF = "STACK_OBSERVABILITY=off"
ANSWER_SECONDS = 1.5
"""longest wait for one answer of a database server: shorter than that of all sources"""


def tell(words: str) -> None:
    """One line in the log, in UTC as the servers' are."""
    print(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), words, flush=True)


def _scraped(part: Metrics | None) -> str:
    if part is None:
        raise ProbeError(f"metrics: {OFF}: there is no exporter.")
    return scrape(part)


def main() -> None:
    """Serve, or ask."""
    force = exporter.InForce(exporter.plan_path())
    part = force.plan().metrics
    if sys.argv[1:] == ["scrape"]:
        with ends_the_process():
            print(_scraped(part), end="")
        return
    if part is None:
        idle.until_told(f"metrics: {OFF}; nothing runs")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asked = Sources(exporter.sources(force), tell)
    answer = partial(exporter.text, asked)
    with (
        bounded.waits(ANSWER_SECONDS),
        beside(part.port, answer),
        Server(Path(part.socket), answer) as server,
    ):
        server.serve_forever()


if __name__ == "__main__":
    main()
