"""Tasks that hold all of the workers' pool: what a page notices of them.

    .venv/bin/python loadtest/studies/background_pool.py http://127.0.0.1:8000 .stack/conf/plan.json

asks a running stack with workers for /db at half of what it can take, in turns of some seconds: no
task runs; tasks hold every backend of the workers' pool, and more of them wait for one; as many
tasks use the pages' pool. Prints the 99th percentile of each turn, and the median of the ratios of
turns that follow each other. Exit status 1 when the ratio of the workers' pool is above BOUND or
a request failed beside it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

import psycopg2  # noqa: E402 - the path comes first

from loadtest import program  # noqa: E402
from loadtest.studies import turns  # noqa: E402
from loadtest.studies.turns import Turn  # noqa: E402
from pgstack.errors import InputError  # noqa: E402
from pgstack.live import account  # noqa: E402
from pgstack.planning import layout  # noqa: E402
from pgstack.planning.background import Background  # noqa: E402
from pgstack.planning.plan import Plan  # noqa: E402

BOUND = 1.2
PAGE = "/db"
WAITING = 4
"""transactions more than there are backends"""
SETTLE_SECONDS = 0.5
TURNS = ("alone", "own pool held", "pages' pool held")
LONGEST_HOLD_SECONDS = 60


@contextmanager
def busy_tasks(plan: Plan, database: str, count: int) -> Iterator[None]:
    """`count` tasks, each in one transaction after another of a second, that compute nothing."""
    over = threading.Event()

    def task(connection: Any) -> None:
        until = time.monotonic() + LONGEST_HOLD_SECONDS
        while not over.is_set() and time.monotonic() < until:
            with suppress(psycopg2.Error), connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(1)")

    with ExitStack() as open_:
        threads = [
            threading.Thread(target=task, args=(open_.enter_context(_client(plan, database)),))
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        try:
            time.sleep(SETTLE_SECONDS)
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _client(plan: Plan, database: str) -> closing[Any]:
    login = layout.own_login(plan, plan.pooler.web_login)
    return closing(
        psycopg2.connect(
            host=plan.paths.run_pooler, port=plan.pooler.port, user=login, dbname=database
        )
    )


def measure(plan: Plan, tasks: Background, url: str, rounds: int, seconds: float) -> int:
    """Print a line for each round; the exit status."""
    rate = turns.usual_rate(url, PAGE)
    count = max(tasks.max_db_connections, plan.pooler.max_db_connections) + WAITING
    print(f"{PAGE} at {rate:.0f}/s; {count} transactions at a time; p99 in ms")
    by_turn: dict[str, list[Turn]] = {turn: [] for turn in TURNS}
    for _ in range(rounds):
        for turn, database in zip(TURNS, ("", tasks.database, plan.postgres.database), strict=True):
            with busy_tasks(plan, database, count if database else 0):
                by_turn[turn].append(turns.take(url, PAGE, rate, seconds))
        print("; ".join(f"{turn} {taken[-1]}" for turn, taken in by_turn.items()), flush=True)
    ratios = {
        turn: statistics.median(
            there.p99 / without.p99
            for there, without in zip(by_turn[turn], by_turn[TURNS[0]], strict=True)
        )
        for turn in TURNS[1:]
    }
    print("; ".join(f"{turn}: x {ratio:.2f}" for turn, ratio in ratios.items()))
    failed = sum(turn.failed for name in TURNS[:2] for turn in by_turn[name])
    return int(ratios[TURNS[1]] > BOUND or failed > 0)


def main() -> int:
    """Measure the stack that the command line names."""
    parser = argparse.ArgumentParser(description="what pages notice of tasks that hold a pool")
    parser.add_argument("url")
    parser.add_argument("plan", type=Path, help="plan.json of the stack")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    asked = parser.parse_args()
    try:
        plan = Plan.model_validate_json(asked.plan.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{asked.plan}: {error}. Name a stack's conf/plan.json.") from None
    if plan.background is None:
        raise InputError(f"{asked.plan}: it has no workers. Set STACK_WORKERS.")
    account.assume(plan.accounts.web)
    return measure(plan, plan.background, asked.url, asked.rounds, asked.seconds)


if __name__ == "__main__":
    sys.exit(program.status(main))
