"""The pooler is restarted under load: no request fails with this backend, some do with Django's
own, in the same run.

`loadtest/studies/pooler_restart.py` measures the same with whole requests.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from signal import SIGINT, SIGKILL, Signals

import pytest
from django.core.signals import request_finished, request_started
from django.db import Error, connections, transaction

from fixtures.pooled import Pooled, ask

ENGINES = {"default": "pgstack.db", "stock": "django.db.backends.postgresql"}
THREADS = 4
"""for each engine"""
INSERT = "INSERT INTO other (name) VALUES (%s)"


@pytest.fixture
def both(pooled: Pooled) -> Iterator[None]:
    """An alias for each engine, alike in all else; a pooler that takes all threads as clients."""
    connections.settings["stock"] = connections.settings["default"] | {"ENGINE": ENGINES["stock"]}
    connections.settings["default"]["PATIENCE_SECONDS"] = 10
    yield
    del connections.settings["stock"], connections.settings["default"]["PATIENCE_SECONDS"]


def under_load(
    pooled: Pooled, write: bool, how: Signals, restarts: int
) -> tuple[Counter[str], list[str]]:
    """Failed requests by alias while the pooler is restarted, and the keys of the writes that were
    acknowledged."""
    failed: Counter[str] = Counter()
    acknowledged: list[str] = []
    numbers, done = itertools.count(), threading.Event()

    def request(alias: str) -> None:
        key = f"{how.name} {next(numbers)}"
        request_started.send(sender=None)
        try:
            assert ask(connections[alias], "SELECT count(*) FROM thing") == 500
            if write:
                with transaction.atomic(alias):
                    ask(connections[alias], INSERT, key)
                acknowledged.append(key)
        except Error:
            failed[alias] += 1
        finally:
            request_finished.send(sender=None)

    def user(alias: str) -> None:
        while not done.is_set():
            request(alias)
            time.sleep(0.002)
        connections.close_all()

    threads = [
        threading.Thread(target=user, args=(alias,)) for alias in ENGINES for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for _ in range(restarts):
        time.sleep(0.3)
        pooled.stop_pooler(how)
        pooled.start_pooler()
    time.sleep(0.3)
    done.set()
    for thread in threads:
        thread.join(timeout=60)
    return failed, acknowledged


@pytest.mark.usefixtures("both")
def test_restarts_fail_no_request_and_lose_no_write(pooled: Pooled) -> None:
    failed, acknowledged = under_load(pooled, write=True, how=SIGINT, restarts=3)
    assert failed["default"] == 0
    assert failed["stock"] > 0
    kept = pooled.admin("SELECT count(*) FROM other WHERE name = ANY (%s)", acknowledged)
    assert kept == [(len(acknowledged),)]
    pooled.admin("DELETE FROM other WHERE name LIKE 'SIGINT%%' AND %s", True)


@pytest.mark.usefixtures("both")
def test_a_pooler_that_is_killed_fails_no_request_that_reads(pooled: Pooled) -> None:
    failed, _ = under_load(pooled, write=False, how=SIGKILL, restarts=3)
    assert failed["default"] == 0
    assert failed["stock"] > 0
