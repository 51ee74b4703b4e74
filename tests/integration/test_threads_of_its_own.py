"""Threads that an application starts by itself leave no connection behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from fixtures.pooled import Pooled, ask


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """A web process collects seldom: here never."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def in_threads(work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_an_executor(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(5) as executor:
        for _ in range(5):
            executor.submit(work)


@pytest.mark.parametrize("start", [in_threads, in_an_executor])
def test_a_connection_ends_with_its_thread(
    pooled: Pooled, start: Callable[[Callable[[], object]], None]
) -> None:
    ask(connection, "SELECT 1")
    held: list[int] = []

    def work() -> None:
        for alias in ("default", "direct"):
            ask(connections[alias], "SELECT 1")
        held.append(pooled.clients())

    for _ in range(4):
        start(work)
    assert max(held) > 1
    pooled.wait_until(lambda: pooled.clients() == 1)
    assert ask(connection, "SELECT 1") == 1
    assert pooled.admin("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_owner'") == [
        (0,)
    ]


def test_one_that_was_shared_goes_on(pooled: Pooled) -> None:
    made = []

    def work() -> None:
        made.append(pooled.client())
        ask(made[0], "SELECT 1")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ask(made[0], "SELECT 2") == 2


def test_a_connection_that_is_used_and_closed_as_usual_is_left_alone(pooled: Pooled) -> None:
    for _ in range(3):
        ask(connection, "SELECT 1")
        connection.close()
    assert ask(connection, "SELECT 3") == 3
    assert pooled.clients() == 1
