"""Requests to the application inside one process, without a web server: `python -m
loadtest.lab.inside cost|load …`.

The settings are those of a strategy (`loadtest.lab.settings`); it prints JSON.
"""

from __future__ import annotations

import io
import json
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

PAGES = {"/db": 5, "/queries?n=20": 1}
"""page → how often in a row by one way: for some milliseconds the machine stays the same"""
TURNS = 40
"""of each way in a round; the round's figure is their median, which one turn with a neighbour does
not move"""
WAYS: dict[str, dict[str, Any]] = {
    "Django's own": {"ENGINE": "django.db.backends.postgresql"},
    "guard off": {"GUARD": "off"},
    "guard on": {"GUARD": "log"},
}
READS = ("/db", "/fortunes", "/db")
"""three reads for one write"""
PAUSE_SECONDS = 0.005
"""between two requests of a thread: the load is not what is measured"""
APPLIED, REFUSED = 201, 409

Costs = dict[str, dict[str, list[float]]]
"""page → way → CPU microseconds per page, for each round"""


@dataclass
class Outcome:
    """What a load saw; times in seconds."""

    sent: int = 0
    failed: int = 0
    failed_reads: int = 0
    writes: int = 0
    """acknowledged"""
    lost: int = 0
    """acknowledged, and not there at the end"""
    stored_though_failed: int = 0
    longest: float = 0.0


def application() -> Callable[..., Any]:
    """The demo's WSGI application."""
    from django.core.wsgi import get_wsgi_application

    made: Callable[..., Any] = get_wsgi_application()
    return made


def ask(app: Callable[..., Any], path: str, body: bytes = b"", key: str = "") -> tuple[int, bytes]:
    """Status and body of one request, from its first signal to its last."""
    status: list[str] = []
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": "POST" if body else "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "HTTP_IDEMPOTENCY_KEY": key,
    }
    answer = app(environ, lambda line, headers, error=None: status.append(line))
    try:
        content = b"".join(answer)
    finally:
        answer.close()
    return int(status[-1].split()[0]), content


def cost(rounds: int, seed: int = 1) -> Costs:
    """CPU time of pages by each way, in turns and in an order of its own in each round."""
    from django.db import connections
    from django.db.utils import load_backend

    app, draw = application(), random.Random(seed)
    plain, made = connections.settings["default"], {}
    for way, changed in WAYS.items():
        alias = plain | changed
        made[way] = load_backend(alias["ENGINE"]).DatabaseWrapper(alias, "default")
    costs: Costs = {page: {way: [] for way in WAYS} for page in PAGES}
    for number in range(-1, rounds):
        for page in PAGES:
            turns: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(TURNS):
                for way in draw.sample(list(WAYS), len(WAYS)):
                    connections["default"] = made[way]
                    turns[way].append(_turn(app, page))
            if number >= 0:  # the one before the first warms up
                for way, spent in turns.items():
                    costs[page][way].append(median(spent))
    return costs


def _turn(app: Callable[..., Any], page: str) -> float:
    before = time.thread_time()
    for _ in range(PAGES[page]):
        status, _ = ask(app, page)
        assert status == 200, f"{page}: {status}"
    return (time.thread_time() - before) / PAGES[page] * 1e6


def load(threads: int) -> Outcome:
    """Requests of so many threads until the input ends; a quarter are transfers, looked up at the
    end."""
    from django.db import connections

    app, outcome, lock, done = application(), Outcome(), threading.Lock(), threading.Event()
    accounts = [
        account["id"] for account in json.loads(ask(app, "/ledger/accounts")[1])["accounts"]
    ]
    keys: dict[str, bool] = {}

    def user(number: int) -> None:
        draw = random.Random(number)
        while not done.is_set():
            page, body, key = _drawn(draw, accounts)
            began = time.monotonic()
            status, _ = ask(app, page, body, key)
            took = time.monotonic() - began
            good = status in ((APPLIED, REFUSED) if key else (200,))
            with lock:
                outcome.sent += 1
                outcome.longest = max(outcome.longest, took)
                if not good:
                    outcome.failed += 1
                    outcome.failed_reads += not key
                if key and status != REFUSED:
                    keys[key] = good
            time.sleep(PAUSE_SECONDS)

    users = [threading.Thread(target=user, args=(number,)) for number in range(threads)]
    for thread in users:
        thread.start()
    print("begin", flush=True)
    sys.stdin.read()
    done.set()
    for thread in users:
        thread.join()
    connections.close_all()  # this thread's own is from before the restarts
    _look_up(app, keys, outcome)
    return outcome


def _drawn(draw: random.Random, accounts: list[str]) -> tuple[str, bytes, str]:
    """Page, body and key of the next request of a user; a read has neither body nor key."""
    page = draw.choice(READS)
    if draw.random() >= 1 / (len(READS) + 1):
        return page, b"", ""
    source, target = draw.sample(accounts, 2)
    transfer = {"source": source, "target": target, "amount": draw.randint(1, 20)}
    return "/ledger/transfers", json.dumps(transfer).encode(), str(uuid.uuid4())


def _look_up(app: Callable[..., Any], keys: dict[str, bool], outcome: Outcome) -> None:
    """Count which transfers are there; `keys` has those that were sent, and whether each was
    acknowledged."""
    for key, good in keys.items():
        there = ask(app, f"/ledger/transfers/{key}")[0] == 200
        outcome.lost += good and not there
        outcome.stored_though_failed += there and not good
    outcome.writes = sum(keys.values())


def main() -> None:
    """The command line: `cost ROUNDS` or `load THREADS`."""
    what, number = sys.argv[1], int(sys.argv[2])
    print(json.dumps(cost(number) if what == "cost" else asdict(load(number))))


if __name__ == "__main__":
    main()
