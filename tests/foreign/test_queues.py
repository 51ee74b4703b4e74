"""Task queues of other people as workers of the local target: no task is lost or run twice while
code is released under load, and none holds a backend that it does not use."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from fixtures import pooler_console
from fixtures.local_stack import CHECKOUT, LocalStack, started

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(900)]

WORKERS = {
    "celery": "celery:1x3:300m=celery -A jobs worker --concurrency=2 --loglevel=info",
    "huey": "huey:1x2=manage.py run_huey --workers=2",
    "tasks": "tasks:2=manage.py db_worker --interval=0.1",
    "procrastinate": "procrastinate:1x2=manage.py procrastinate worker --concurrency=2",
    "rq": "rq:2=manage.py rqworker default",
    "dramatiq": "dramatiq:1x2:300m=manage.py rundramatiq --processes=1 --threads=2",
}
PAUSE_SECONDS = 0.15
"""between two tasks of a kind: a worker of each has twice as much time"""
MOST = 10_000
"""tasks of a kind in one load: the numbers of the next one begin there"""
IDLE_SECONDS = 60
"""in which no task ends: what has not run is lost"""
HEAR = "hear=manage.py hear"
"""listens over the alias `direct` by itself; what is sent while it is away is lost"""
SOON_SECONDS = 1
"""from a job's coming to its start, in the middle of several: procrastinate polls every 5 s"""
STARTED = """
SELECT extract(epoch FROM max(at) FILTER (WHERE type = 'started') - min(at))
  FROM procrastinate_events JOIN procrastinate_jobs AS job ON job.id = job_id
 WHERE (args ->> 'number')::int >= {first} AND (args ->> 'number')::int < {first} + {count}
 GROUP BY job_id"""
"""seconds from when a job was deferred to when it began, by procrastinate's own notes"""


@pytest.fixture(scope="module")
def queues() -> Iterator[LocalStack]:
    """A project with a worker for each kind of queue."""
    with tempfile.TemporaryDirectory(prefix="jobs-", dir="/tmp") as name:
        project = Path(name, "project")
        shutil.copytree(CHECKOUT / "tests/sites/jobs", project)
        for path in [Path(name), project, *project.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        inputs = {
            "STACK_PROJECT": str(project),
            "STACK_DATA": "QUEUE_DIR",
            "STACK_MEMORY": "6g",
            "STACK_VALKEY": "on",
            "STACK_WORKERS": "; ".join([*WORKERS.values(), HEAR]),
        }
        with started(**inputs) as running:
            yield running


class Load:
    """A task of each kind again and again, each enqueued by a page."""

    def __init__(self, stack: LocalStack, first: int) -> None:
        self.stack, self.first = stack, first
        self.enqueued: dict[str, int] = dict.fromkeys(WORKERS, first)
        self.failed: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(kind,)) for kind in WORKERS]

    def _send(self, kind: str) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not self._over.is_set():
                number = self.enqueued[kind]
                answer = session.get(f"{self.stack.url}/enqueue/{kind}/{number}", timeout=30)
                if answer.status_code != 200:
                    self.failed.append(f"{kind} {number}: {answer.status_code}")
                self.enqueued[kind] += 1
                time.sleep(PAUSE_SECONDS)

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def wanted(self) -> dict[tuple[str, int], int]:
        return {
            (kind, number): 1
            for kind, end in self.enqueued.items()
            for number in range(self.first, end)
        }

    def ran(self) -> Counter[tuple[str, int]]:
        mine = f"number >= {self.first} AND number < {self.first + MOST}"
        rows = self.stack.sql(f"SELECT kind || ' ' || number FROM jobs_ran WHERE {mine}")
        pairs = (row.split() for row in rows.splitlines())
        return Counter((kind, int(number)) for kind, number in pairs)

    def wait(self) -> None:
        """Until each task ran once. Fails when none has ended for a while."""
        ran, since = self.ran(), time.monotonic()
        while ran != self.wanted():
            if time.monotonic() - since > IDLE_SECONDS:
                lost = [task for task in self.wanted() if not ran[task]]
                twice = [task for task, count in ran.items() if count > 1]
                raise AssertionError(f"lost {lost}, twice {twice}\n{self.stack.logs()}")
            time.sleep(0.2)
            before, ran = ran, self.ran()
            since = since if ran == before else time.monotonic()


def test_each_kind_works_on_the_pool_of_workers(queues: LocalStack) -> None:
    load = Load(queues, 0)
    with load.running():
        time.sleep(3)
    load.wait()
    assert load.failed == []
    assert queues.sql("SELECT DISTINCT pool FROM jobs_ran") == "app_background"
    assert queues.manage("stack_verify").returncode == 0


def test_connections_are_returned_after_tasks(queues: LocalStack) -> None:
    def held() -> list[str]:
        return [
            f"{row['database']}: {row['sv_active']}"
            for row in pooler_console.ask(queues, "SHOW POOLS")
            if row["database"] in ("app", "app_background") and int(row["sv_active"])
        ]

    queues.wait_until(lambda: not held())


def run_one(stack: LocalStack, kind: str, number: int) -> None:
    """Enqueue a task of a worker that is idle, and wait until it is done."""
    answer = requests.get(f"{stack.url}/enqueue/{kind}/{number}", timeout=30)
    assert answer.status_code == 200
    row = f"SELECT count(*) FROM jobs_ran WHERE kind = '{kind}' AND number = {number}"
    stack.wait_until(lambda: stack.sql(row) == "1")


def listening(stack: LocalStack) -> list[str]:
    """Sessions of workers past PgBouncer, whose backends all work as another role."""
    asked = "SELECT application_name FROM pg_stat_activity WHERE usename = 'app_worker'"
    return stack.sql(asked).split()


def require_heard_at_once(stack: LocalStack, first: int) -> None:
    """An idle worker begins a job when it comes, not when it looks for one the next time."""
    run_one(stack, "hear", first)
    for number in range(8):
        run_one(stack, "procrastinate", first + number)
    times = sorted(map(float, stack.sql(STARTED.format(first=first, count=8)).split()))
    print([f"{taken:.3f}" for taken in times])
    assert len(times) == 8
    assert statistics.median(times) < SOON_SECONDS, times


def test_an_idle_worker_that_listens_begins_at_once(queues: LocalStack) -> None:
    queues.wait_until(lambda: listening(queues) == ["direct"] * 2)
    require_heard_at_once(queues, 40_000)


def test_no_task_is_lost_or_run_twice_over_a_release(queues: LocalStack) -> None:
    load = Load(queues, 10_000)
    with load.running():
        time.sleep(2)
        done = queues.manage("stack_local", "release")
        time.sleep(2)
    assert done.returncode == 0, done.stderr
    load.wait()
    assert load.failed == []
    print({kind: end - load.first for kind, end in load.enqueued.items()})


@pytest.mark.parametrize("server", ["pgbouncer", "postgres"])
def test_workers_survive_a_server_that_was_killed(queues: LocalStack, server: str) -> None:
    os.kill(int(queues.pid(server)), signal.SIGKILL)
    queues.wait_until(queues.answers, 60)
    load = Load(queues, 20_000 if server == "pgbouncer" else 30_000)
    with load.running():
        time.sleep(2)
    load.wait()
    assert load.failed == []
    queues.wait_until(lambda: listening(queues) == ["direct"] * 2)
    require_heard_at_once(queues, 50_000 if server == "pgbouncer" else 60_000)
