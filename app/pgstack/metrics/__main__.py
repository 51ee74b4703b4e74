"""`python -m pgstack.metrics`: the exporter, until it is told to end; if the plan has none, it only
waits for that. With `scrape`, the answer of a running one; with `page PORT`, its page on a loopback
port, until interrupted; with `standing`, as JSON, what `make status` shows besides the servers."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

from pgstack import idle
from pgstack.errors import ProbeError, ends_the_process
from pgstack.live.probes import bounded
from pgstack.live.probes.exporter import scrape
from pgstack.metrics import exporter, past, standing
from pgstack.metrics.board import Board
from pgstack.metrics.history import INTERVAL_SECONDS
from pgstack.metrics.page import Pages
from pgstack.metrics.past import Past
from pgstack.metrics.server import LOOPBACK, LoopbackServer, Server, beside, passed_on
from pgstack.metrics.sources import Sources
from pgstack.planning.metrics import Metrics

OFF = "STACK_OBSERVABILITY=off"
ANSWER_SECONDS = 1.5
"""longest wait for an answer of a database server: shorter than the one for all sources"""


def tell(words: str) -> None:
    """Write a line to the log, in UTC like the servers' lines."""
    print(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), words, flush=True)


def _planned(part: Metrics | None) -> Metrics:
    if part is None:
        raise ProbeError(f"metrics: {OFF}: there is no exporter.")
    return part


def _watch(board: Board, asked: Sources) -> None:
    """Keep the page's last hour, for as long as this process lives."""
    while True:
        try:
            board.see(asked.collect(), time.time())
        except Exception as error:  # noqa: BLE001 - a figure nobody thought of ends no history
            tell(f"page: {error!r}")
        time.sleep(INTERVAL_SECONDS - time.time() % INTERVAL_SECONDS)


def _lead(part: Metrics, port: int) -> None:
    """Serve a port that leads to the exporter's socket."""
    with LoopbackServer(port, passed_on(part)) as server:
        tell(f"page: http://{LOOPBACK}:{server.server_address[1]}/ until Ctrl-C")
        server.serve_forever()


def _run(force: exporter.InForce, part: Metrics) -> None:
    """Run the exporter."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    board = Board()
    asked = Sources(exporter.sources(force, board), tell)
    pages = Pages(
        partial(exporter.text, asked),
        lambda since: board.text(since, force.plan()),
        Past(lambda name: past.read(force.plan().observability, name)).text,
    )
    with (
        bounded.waits(ANSWER_SECONDS),
        beside(part.port, pages.answer, pages.metrics),
        Server(Path(part.socket), pages.answer) as server,
    ):
        threading.Thread(target=_watch, args=(board, asked), daemon=True).start()
        server.serve_forever()


def main() -> None:
    """Serve, or ask a running exporter."""
    force = exporter.InForce(exporter.plan_path())
    part = force.plan().metrics
    match sys.argv[1:]:
        case ["scrape"]:
            with ends_the_process():
                print(scrape(_planned(part)), end="")
        case ["page", port] if port.isdigit():
            with ends_the_process():
                _lead(_planned(part), int(port))
        case ["standing"]:
            with ends_the_process(), bounded.waits(ANSWER_SECONDS):
                print(json.dumps(standing.figures(force.plan(), force.path)))
        case _:
            if part is None:
                idle.until_told(f"metrics: {OFF}; nothing runs")
            _run(force, part)


if __name__ == "__main__":
    main()
