"""Clients that hold every thread of a slow page: what fast pages notice, with a lane for it and
without.

    .venv/bin/python loadtest/studies/lanes.py http://127.0.0.1:8000 http://127.0.0.1:8001

asks two running stacks, the first with STACK_LANES='slow=/slow:1x8:pool 8', the second without and
with as many threads (STACK_THREADS=8 STACK_POOL_SIZE=13), for /db at half of what the first can
take, in turns of some seconds: nobody asks for /slow, and 16 clients do, each for five seconds in
SQL and again once it is answered. Prints the 99th percentile of each turn, and the ratio of turns
that follow each other, with its interval of 95 %. Exit status 1 when that of the stack with the
lane is above BOUND, or a request failed there.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from loadtest import program  # noqa: E402 - the path comes first
from loadtest.lab import intervals  # noqa: E402
from loadtest.studies import turns  # noqa: E402
from loadtest.studies.turns import Turn  # noqa: E402
from pgstack.errors import InputError  # noqa: E402 - the path comes first

BOUND = 1.5
PAGE, SLOW = "/db", "/slow?seconds=5"
CLIENTS = 16
SETTLE_SECONDS = 1.0
"""in which every client has asked once"""
END_SECONDS = 40.0
"""longest wait for the last answers of /slow"""


@contextmanager
def slow_visitors(url: str, count: int, statuses: Counter[int]) -> Iterator[None]:
    """Within it so many clients ask for the slow page, again and again."""
    over, place = threading.Event(), urlsplit(url)

    def visit() -> None:
        while not over.is_set():
            connection = HTTPConnection(str(place.hostname), place.port, timeout=END_SECONDS)
            try:
                connection.request("GET", SLOW)
                statuses[connection.getresponse().status] += 1
            except (OSError, HTTPException):
                statuses[0] += 1
            finally:
                connection.close()

    visitors = [threading.Thread(target=visit) for _ in range(count)]
    for visitor in visitors:
        visitor.start()
    try:
        if visitors:
            time.sleep(SETTLE_SECONDS)
        yield
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()


def measure(urls: dict[str, str], rounds: int, seconds: float) -> int:
    """Print a line for each round; the exit status."""
    first = next(iter(urls.values()))
    rate = turns.usual_rate(first, PAGE)
    print(f"{PAGE} at {rate:.0f}/s; {CLIENTS} clients of {SLOW}; p99 in ms")
    taken: dict[tuple[str, int], list[Turn]] = {}
    statuses = {name: Counter[int]() for name in urls}
    for _ in range(rounds):
        for name, url in urls.items():
            for count in (0, CLIENTS):
                with slow_visitors(url, count, statuses[name]):
                    turn = turns.take(url, PAGE, rate, seconds)
                taken.setdefault((name, count), []).append(turn)
        print("; ".join(f"{name}, {n} slow: {taken[name, n][-1]}" for name, n in taken), flush=True)
    ratios: dict[str, float] = {}
    for name in urls:
        held, free = taken[name, CLIENTS], taken[name, 0]
        ratios[name] = told(name, _p99(held), _p99(free))
        failed = sum(turn.failed for turn in held)
        slow = ", ".join(f"{status}: {count}" for status, count in sorted(statuses[name].items()))
        print(f"{name}: {failed} of {PAGE} failed; {SLOW} by status {slow}")
    kept = next(iter(urls))
    failed = sum(turn.failed for n in (0, CLIENTS) for turn in taken[kept, n])
    return int(ratios[kept] > BOUND or failed > 0)


def told(name: str, held: intervals.Blocks, free: intervals.Blocks) -> float:
    """Print how many times the second the first is; that ratio. Raises InputError without any."""
    ratio = intervals.ratio(held, free, seed=1)
    if ratio is None:
        raise InputError(f"no round of {name} has answers.")
    bounds = "" if ratio.low is None else f" [{ratio.low:.2f}, {ratio.high:.2f}]"
    print(f"{name}: x {ratio.value:.2f}{bounds}, {ratio.blocks} rounds")
    return ratio.value


def _p99(taken: list[Turn]) -> intervals.Blocks:
    return {number: turn.p99 for number, turn in enumerate(taken)}


def main() -> int:
    """Measure the stacks that the command line names."""
    parser = argparse.ArgumentParser(description="what fast pages notice of clients of a slow one")
    parser.add_argument("lane", help="URL of a stack with a lane for /slow")
    parser.add_argument("without", nargs="?", help="URL of one without lanes")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each turn")
    asked = parser.parse_args()
    urls = {"lane": asked.lane} | ({"without": asked.without} if asked.without else {})
    return measure(urls, asked.rounds, asked.seconds)


if __name__ == "__main__":
    sys.exit(program.status(main))
