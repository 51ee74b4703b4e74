"""`/updates` against the real database: what it answers is stored, and it locks rows in the order
of their ids."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from fixtures.local_stack import LocalStack

STORED = """
import json, sys
from demo.models import World
print(json.dumps(dict(World.objects.filter(pk__in={ids}).values_list("pk", "random_number"))))
"""

# `default` straight to PostgreSQL, so that the planner's choice can be set for the whole session:
# without an index, an UPDATE alone meets the rows in the order in which they lie.
SETTINGS = """
from config.settings import *
DATABASES["default"] = DATABASES["direct"] | {
    "OPTIONS": {"options": "-c enable_indexscan=off -c enable_bitmapscan=off -c lock_timeout=0"}
}
"""

# Somebody holds the row with the lower id, which lies behind the other. An update of both has to
# wait for it first and must not hold the other meanwhile.
LOCK_ORDER = """
import threading, time
from unittest import mock
from django.db import connections, transaction
from django.test import RequestFactory
from demo.models import World
from demo.views import benchmark

direct = connections["direct"]

def rows(statement, *values):
    with direct.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

rows("UPDATE world SET randomnumber = randomnumber WHERE id <= 500")
low, high = rows("SELECT a.id, b.id FROM world a, world b WHERE a.id < b.id AND a.ctid > b.ctid LIMIT 1")[0]
answers = []

def update():
    answers.append(benchmark.updates(RequestFactory().get("/updates", {"n": 2})).status_code)
    connections.close_all()

waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
with mock.patch.object(benchmark, "sample", return_value=[high, low]):
    with transaction.atomic("direct"):
        rows("SELECT id FROM world WHERE id = %s FOR NO KEY UPDATE", low)
        thread = threading.Thread(target=update)
        thread.start()
        deadline = time.monotonic() + 30
        while not rows(waiting) and time.monotonic() < deadline:
            time.sleep(0.02)
        free = rows("SELECT id FROM world WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED", high)
    thread.join()
print("waited:", time.monotonic() < deadline, "free:", free == [(high,)], "answers:", answers)
"""


@pytest.fixture
def settings() -> Iterator[tuple[str, ...]]:
    """Options for manage.py with `SETTINGS`, where the stack's account may read them."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        Path(directory, "no_index_settings.py").write_text(SETTINGS)
        yield "--settings", "no_index_settings", "--pythonpath", directory


def test_updates_store_what_they_answer(stack: LocalStack) -> None:
    with requests.Session() as session:
        session.trust_env = False
        answered = session.get(f"{stack.url}/updates?n=100", timeout=30).json()
    before = {row["id"]: row["randomNumber"] for row in answered}
    done = stack.manage("shell", "-v0", "-c", STORED.format(ids=list(before)))
    assert done.returncode == 0, done.stderr
    assert {int(pk): number for pk, number in json.loads(done.stdout).items()} == before


def test_updates_lock_in_the_order_of_the_ids_wherever_the_rows_lie(
    stack: LocalStack, settings: tuple[str, ...]
) -> None:
    done = stack.manage("shell", "-v0", "-c", LOCK_ORDER, *settings)
    assert done.stdout == "waited: True free: True answers: [200]\n", done.stderr
