"""The screen of `make status` on real servers: who blocks, and the same without an exporter."""

from __future__ import annotations

import json
import threading
from contextlib import suppress

import pytest
import requests

from fixtures.local_stack import LocalStack

pytestmark = pytest.mark.integration


def status(stack: LocalStack) -> tuple[int, str]:
    done = stack.manage("stack_status")
    return done.returncode, done.stdout + done.stderr


def test_who_blocks_is_told_before_what_follows_from_it(stack: LocalStack) -> None:
    blocker = stack.psql("BEGIN; LOCK TABLE world; SELECT pg_sleep(40), 'a secret'")
    over = threading.Event()

    def user() -> None:
        while not over.is_set():
            with suppress(requests.RequestException):
                requests.get(f"{stack.url}/updates?n=1", timeout=30)

    threads = [threading.Thread(target=user) for _ in range(8)]
    for thread in threads:
        thread.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    try:
        stack.wait_until(lambda: int(stack.sql(waiting)) > 3)
        code, said = status(stack)
        told = json.loads(stack.manage("stack_status", "--json").stdout)
    finally:
        over.set()
        stack.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'BEGIN; LOCK TABLE world%'"
        )
        blocker.communicate(timeout=60)
        for thread in threads:
            thread.join()
    verdict = next(line for line in said.splitlines() if line.startswith("verdict"))
    assert verdict.endswith(" sessions wait for a lock, more than half of the pool."), said
    assert code == (0 if "verdict   ok: " in said else 1)
    assert "alert     LocksBlock (page" in said
    assert "a secret" not in said + json.dumps(told)
    pid = told["blocker"]["process"]
    assert f"blocker   process {pid} postgres, " in said
    assert said.splitlines()[-1] == (
        f"next      SELECT pg_cancel_backend({pid}) ends it; docs/alerts.md#locksblock"
    )
    assert len(said.splitlines()) <= 24


@pytest.mark.slow
def test_one_screen_without_an_exporter_too(unused: LocalStack) -> None:
    done = unused.manage("stack_local", "up", STACK_OBSERVABILITY="off")
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        code, said = status(unused)
    finally:
        assert unused.manage("stack_local", "delete").returncode == 0
    names = [line.split()[0] for line in said.splitlines()]
    assert code == 0, said
    assert names[-8:] == [
        *("pool", "sessions", "memory", "disk", "changed", "page", "verdict", "next")
    ]
    assert "metrics" not in names
    assert said.endswith("verdict   ok: all is well\nnext      Nothing to do.\n")
