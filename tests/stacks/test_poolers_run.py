"""Two PgBouncers on the local stack: both work, fail and change, each with its own processes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from fixtures import pooler_console, steady_load
from fixtures.local_stack import LocalStack
from fixtures.scraping import of, scraped

TWO = {"STACK_POOLERS": "2", "STACK_REPLICAS": "read"}
PORTS = (6432, 6433)
CLIENTS, SECONDS = 8, 4.0
THREADS = 4
"""of a web process: what may be in flight at its PgBouncer"""


@pytest.fixture(scope="module")
def two(stack: LocalStack) -> Iterator[LocalStack]:
    done = stack.manage("stack_local", "up", **TWO)
    assert done.returncode == 0, done.stdout + done.stderr
    yield stack
    assert stack.manage("stack_local", "up").returncode == 0


def get(stack: LocalStack, path: str) -> int:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{stack.url}{path}", timeout=30).status_code


def answers(stack: LocalStack, change: Callable[[], object], page: str = "/db") -> list[int]:
    """What clients are answered while something changes under them."""
    end, told = threading.Event(), []

    def client(_: int) -> None:
        while not end.is_set():
            told.append(get(stack, page))

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = clients.map(client, range(CLIENTS))
        try:
            time.sleep(SECONDS / 2)
            change()
            time.sleep(SECONDS / 2)
        finally:
            end.set()
        list(running)
    return told


def transactions(stack: LocalStack, database: str = "app") -> list[int]:
    """Of pages, at each PgBouncer."""
    shown = [pooler_console.ask(stack, "SHOW STATS", port) for port in PORTS]
    return [
        sum(int(row["total_xact_count"]) for row in rows if row["database"] == database)
        for rows in shown
    ]


def clients(stack: LocalStack, port: int) -> set[tuple[str, str]]:
    """Connections of web processes at one PgBouncer, each with the time it was made."""
    rows = pooler_console.ask(stack, "SHOW CLIENTS", port)
    return {
        (str(row["ptr"]), str(row["connect_time"]))
        for row in rows
        if row["application_name"] == "web"
    }


def process(stack: LocalStack, name: str) -> int:
    words = [str(stack.supervisorctl), "-c", str(stack.directory / "supervisord.conf"), "pid", name]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def pools(stack: LocalStack) -> list[int]:
    return [int(pooler_console.settings(stack, port)["default_pool_size"]) for port in PORTS]


def test_both_take_requests_and_verify_is_green(two: LocalStack) -> None:
    before = transactions(two)
    assert set(answers(two, lambda: None)) == {200}
    rise = [after - early for early, after in zip(before, transactions(two), strict=True)]
    assert min(rise) > 0.2 * sum(rise), "each has a process of two"
    assert pools(two) == [3, 2]
    done = two.manage("stack_verify", **TWO)
    assert done.returncode == 0, done.stdout
    told = two.manage("stack_local", "status", **TWO).stdout
    assert "pgbouncer-2" in told
    assert of(scraped(two), "pgbouncer_setting", 'name="default_pool_size"') == 5
    assert of(scraped(two), "plan_pool_size", 'database="app"') == 5


def test_each_has_the_reads_of_its_own_processes(two: LocalStack) -> None:
    before = transactions(two, "app_replica")
    assert set(answers(two, lambda: None, "/fortunes")) == {200}
    rise = [a - b for a, b in zip(transactions(two, "app_replica"), before, strict=True)]
    assert min(rise) > 0


def test_one_that_is_killed_is_no_concern_of_the_others_processes(two: LocalStack) -> None:
    old, first = process(two, "pgbouncer-2"), clients(two, PORTS[0])
    told = answers(two, lambda: os.kill(old, signal.SIGKILL))
    assert process(two, "pgbouncer-2") != old
    assert sum(status != 200 for status in told) <= THREADS, "what was in flight"
    assert clients(two, PORTS[0]) >= first, "none of them connected anew"
    assert clients(two, PORTS[1])


@pytest.mark.slow
def test_a_larger_pool_comes_into_force_in_both_while_postgresql_restarts(two: LocalStack) -> None:
    try:
        done = steady_load.under_load(
            two.url,
            "localhost",
            lambda: two.manage("stack_local", "reload", **TWO, STACK_POOL_SIZE="9"),
        )
        assert done.returncode == 0, done.stderr
        assert "restarted PostgreSQL" in done.stdout
        assert pools(two) == [5, 4]
        assert two.sql("SHOW max_connections") == "30"
    finally:
        assert two.manage("stack_local", "reload", **TWO).returncode == 0


def test_a_release_keeps_the_spread(two: LocalStack) -> None:
    daemons = {each.pid for each in two.daemons()}
    assert two.manage("stack_local", "release", **TWO).returncode == 0
    assert not daemons & {each.pid for each in two.daemons()}
    assert set(answers(two, lambda: None)) == {200}
    assert all(clients(two, port) for port in PORTS)


def test_a_pause_of_one_that_was_forgotten_ends(two: LocalStack) -> None:
    pooler_console.command(two, "PAUSE", port=PORTS[1])
    with ThreadPoolExecutor(CLIENTS) as waiting:
        told = set(waiting.map(lambda _: get(two, "/db"), range(CLIENTS)))
    assert told == {200}
    rows = pooler_console.ask(two, "SHOW DATABASES", PORTS[1])
    assert {int(row["paused"]) for row in rows} == {0}


def test_a_reload_with_another_number_is_refused(two: LocalStack) -> None:
    done = two.manage("stack_local", "reload", **{**TWO, "STACK_POOLERS": "1"})
    assert done.returncode != 0
    assert "1 PgBouncers are planned, and 2 run" in done.stderr
    assert set(answers(two, lambda: None)) == {200}
