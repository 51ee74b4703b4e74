"""`stack_advise` on a stack that was made too small on purpose: what it says mends it, as the same
load shows."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import pytest

from fixtures.local_stack import LocalStack, started

pytestmark = pytest.mark.integration
USERS = 12
SECONDS = 40
WINDOW = "--last=30"
SMALL = {"STACK_THREADS": "2", "STACK_POOL_SIZE": "1", "STACK_PROCESS_MEMORY": "22m"}
"""for pages that wait for 100 ms in SQL, in processes that take twice that memory"""
SLOW_ROWS = """
    CREATE FUNCTION waits() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END';
    CREATE TRIGGER waits BEFORE UPDATE ON world FOR EACH ROW EXECUTE FUNCTION waits()"""


@pytest.fixture(scope="module")
def small() -> Iterator[LocalStack]:
    """A stack whose pages wait, and that has too little of everything for it."""
    with started(**SMALL) as stack:
        stack.sql(SLOW_ROWS)
        yield stack


def load(stack: LocalStack) -> list[float]:
    """Seconds of each request of a few users, who ask again as soon as they are answered."""
    end, took = time.monotonic() + SECONDS, list[float]()

    def user() -> None:
        with closing(HTTPConnection("127.0.0.1", stack.port, timeout=60)) as client:
            while (begun := time.monotonic()) < end:
                client.request("GET", "/updates?n=1")
                answer = client.getresponse()
                answer.read()
                assert answer.status == 200
                took.append(time.monotonic() - begun)

    users = [threading.Thread(target=user) for _ in range(USERS)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
    return took


def test_too_little_is_refused_in_one_sentence(stack: LocalStack) -> None:
    assert stack.manage("stack_local", "reload", STACK_POOL_SIZE="6").returncode == 0
    try:
        done = stack.manage("stack_advise", STACK_POOL_SIZE="6")
    finally:
        assert stack.manage("stack_local", "reload").returncode == 0
    assert done.returncode == 2
    assert "since the plan in force: too few to judge by (200 in 60 s)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_check_needs_an_advice(stack: LocalStack) -> None:
    done = stack.manage("stack_advise", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no advice was given yet. `make advise` gives it." in done.stderr


@pytest.mark.slow
def test_what_is_advised_mends_a_stack_that_is_too_small(small: LocalStack) -> None:
    before = load(small)
    advised = small.manage("stack_advise", WINDOW, "--json")
    assert advised.returncode == 0, advised.stderr
    advice = {advice["input"]: advice for advice in json.loads(advised.stdout)["advice"]}
    assert set(SMALL) <= set(advice), advised.stdout
    changed = {name: entry["to"] for name, entry in advice.items() if name}
    early = small.manage("stack_advise", "--check", WINDOW)
    assert early.returncode == 1
    assert "STACK_THREADS" in early.stdout
    assert "not in force: it is 2" in early.stdout

    done = small.manage("stack_local", "up", **changed)
    assert done.returncode == 0, done.stdout + done.stderr
    small.wait_until(small.answers)
    time.sleep(11)  # what the start itself took is not judged by
    after = load(small)
    checked = small.manage("stack_advise", "--check", WINDOW, **changed)
    told = f"{len(before)} and {len(after)} requests\n{advised.stdout}\n{checked.stdout}"
    print(told)
    assert len(after) > 1.5 * len(before), told
    assert statistics.median(after) < 0.7 * statistics.median(before), told
    for name in SMALL:
        assert f"{name}={changed[name]}  mended" in checked.stdout, told
    assert checked.returncode == 0, told
