"""Valkey on the local stack: nothing of a queue is dropped or lost, and no page fails while it is
away for a moment."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import redis
import requests
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from fixtures.local_stack import LocalStack

MB = 1024**2
ON = {"STACK_VALKEY": "on"}
BEFORE, AFTER = 0.5, 2.0
"""seconds of load around what is done under it"""
KEPT = b"a task"


def client(stack: LocalStack, database: int = 0) -> redis.Redis:
    path = str(stack.directory / "run/valkey/valkey.sock")
    return redis.Redis(unix_socket_path=path, db=database, retry=Retry(NoBackoff(), 0))


def under_load(stack: LocalStack, change: Callable[[], object]) -> Counter[int]:
    """How often each status came, of a page that asks the cache."""
    statuses: Counter[int] = Counter()
    ended = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not ended.is_set():
                statuses[session.get(f"{stack.url}/cached", timeout=30).status_code] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(BEFORE)
    change()
    time.sleep(AFTER)
    ended.set()
    for thread in threads:
        thread.join()
    return statuses


def push(queue: redis.Redis, size: int) -> None:
    for _ in range(10_000):
        queue.rpush("queue", os.urandom(size))


def fill(queue: redis.Redis) -> None:
    """Until the server refuses even a byte. What it frees of a large command's buffer in between
    is filled by the next, smaller ones.
    """
    for size in (MB, 1000, 1):
        with pytest.raises(redis.ResponseError, match="command not allowed"):
            push(queue, size)


def supervisorctl(stack: LocalStack, *words: str) -> None:
    command = [str(stack.supervisorctl), "-c", str(stack.directory / "supervisord.conf"), *words]
    subprocess.run(command, check=True, capture_output=True)


def kill(stack: LocalStack) -> None:
    os.kill(int(stack.pid("valkey")), signal.SIGKILL)


@pytest.fixture(scope="module")
def cached(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack with it."""
    done = stack.manage("stack_local", "up", **ON)
    if "missing packages" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    yield stack
    # What ran before ends, also without its supervisor.
    server, supervisor = stack.pid("valkey"), stack.directory / "run/supervisord.pid"
    os.kill(int(supervisor.read_text()), signal.SIGKILL)
    assert stack.manage("stack_local", "up").returncode == 0
    assert not psutil.pid_exists(int(server))
    assert "valkey" not in stack.manage("stack_local", "status").stdout


def test_it_runs_as_planned(cached: LocalStack) -> None:
    done = cached.manage("stack_verify")
    assert done.returncode == 0, done.stdout
    assert "32 MB used, volatile-lru" in " ".join(done.stdout.split())
    assert "valkey    RUNNING" in cached.manage("stack_local", "status").stdout
    socket = cached.directory / "run/valkey/valkey.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o770
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "command",
    ["CONFIG SET maxmemory 0", "FLUSHALL", "SHUTDOWN NOSAVE", "BGREWRITEAOF", "REPLICAOF NO ONE"],
)
def test_no_client_changes_the_server(cached: LocalStack, command: str) -> None:
    with client(cached) as own, pytest.raises(NoPermissionError):
        own.execute_command(*command.split())


def test_what_empties_or_fills_the_cache_leaves_the_queue(cached: LocalStack) -> None:
    with client(cached) as queue, client(cached, 1) as cache:
        queue.rpush("queue", KEPT)
        cache.set("page", "x", ex=60)
        cache.flushdb()
        assert (cache.dbsize(), queue.lrange("queue", 0, -1)) == (0, [KEPT])
        entry = os.urandom(MB // 4)
        for number in range(40 * 4):  # of 32 MB
            cache.set(f"page {number}", entry, ex=600)
        assert cache.info("stats")["evicted_keys"] > 0
        assert queue.lrange("queue", 0, -1) == [KEPT]
        cache.flushdb()
        assert queue.lpop("queue") == KEPT


def test_a_queue_that_takes_all_of_the_memory_fails_no_page(cached: LocalStack) -> None:
    with client(cached) as queue:
        try:
            fill(queue)
            assert queue.llen("queue") > 20
            assert set(under_load(cached, lambda: None)) == {200}
        finally:
            queue.delete("queue")


def test_no_page_fails_and_no_task_is_lost_when_it_is_killed(cached: LocalStack) -> None:
    acknowledged, ended = [], threading.Event()

    def enqueue() -> None:
        with client(cached) as queue:
            for number in range(1_000_000):
                if ended.is_set():
                    return
                with suppress(redis.RedisError):
                    queue.rpush("tasks", number)
                    acknowledged.append(number)

    thread = threading.Thread(target=enqueue)
    thread.start()
    statuses = under_load(cached, lambda: kill(cached))
    ended.set()
    thread.join()
    assert statuses[200] > 100
    assert set(statuses) == {200}
    with client(cached) as queue:
        kept = {int(number) for number in queue.lrange("tasks", 0, -1)}
        queue.delete("tasks")
    assert not set(acknowledged) - kept


@pytest.mark.slow
def test_a_reload_changes_its_memory_under_load(cached: LocalStack) -> None:
    def reload() -> None:
        done = cached.manage("stack_local", "reload", **ON, STACK_VALKEY_MEMORY="24m")
        assert done.returncode == 0, done.stderr
        assert "restarted Valkey in " in done.stdout

    with client(cached) as queue:
        queue.rpush("queue", KEPT)
    assert set(under_load(cached, reload)) == {200}
    with client(cached) as queue:
        assert queue.info("memory")["maxmemory"] == 24 * MB
        assert queue.lpop("queue") == KEPT
    refused = cached.manage("stack_local", "reload")
    assert refused.returncode == 2
    assert "reload: STACK_VALKEY=off: Valkey is started and ended by `make up` only" in (
        refused.stderr
    )
    assert cached.manage("stack_local", "reload", **ON).returncode == 0


def test_pages_without_it_go_on_while_it_stays_away(cached: LocalStack) -> None:
    def asked(page: str) -> tuple[int, float]:
        answer = requests.get(f"{cached.url}/{page}", timeout=30)
        return answer.status_code, answer.elapsed.total_seconds()

    supervisorctl(cached, "stop", "valkey")
    try:
        status = cached.manage("stack_local", "status")
        assert status.returncode == 1
        assert "valkey    STOPPED" in status.stdout
        code, waited = asked("cached")
        assert code == 500
        assert 4 < waited < 8
        # Each of the two processes waits once, and again where nobody has asked it for so long.
        waits = [asked("cached") for _ in range(4)]
        assert {code for code, _ in waits} == {500}
        assert sum(seconds > 3 for _, seconds in waits) <= 2
        assert asked("db")[0] == 200
    finally:
        supervisorctl(cached, "start", "valkey")
    cached.wait_until(lambda: asked("cached")[0] == 200)


def test_verify_sees_another_policy(cached: LocalStack) -> None:
    conf = Path(cached.directory, "conf/valkey/valkey.conf")
    planned = conf.read_text()
    conf.write_text(planned.replace("volatile-lru", "allkeys-lru").replace("everysec", "no"))
    try:
        supervisorctl(cached, "restart", "valkey")
        done = cached.manage("stack_verify")
        assert done.returncode == 1
        assert "maxmemory_policy: planned 'volatile-lru', live 'allkeys-lru'" in (
            " ".join(done.stdout.split())
        )
    finally:
        conf.write_text(planned)
        supervisorctl(cached, "restart", "valkey")
