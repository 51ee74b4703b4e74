"""`stack_advise` on a stack that was made too small on purpose: what it says mends it, as the same
load shows."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple

import pytest

from fixtures.local_stack import LocalStack, started

pytestmark = pytest.mark.integration
SECONDS, REQUESTS = 70, 300
"""of a load, both at the least"""
TIMES = 4
SLOW_ROWS = """
    CREATE FUNCTION waits() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END';
    CREATE TRIGGER waits BEFORE UPDATE ON world FOR EACH ROW EXECUTE FUNCTION waits()"""
"""pages that wait for 100 ms in SQL"""


class Small(NamedTuple):
    """A stack with too little of one thing."""

    given: str
    """the input that is too small"""
    value: str
    others: dict[str, str]
    users: int
    faster: float
    """times, at the least, that a request is with what is advised"""


CASES = {
    "threads": Small("STACK_THREADS", "2", {"STACK_POOL_SIZE": "12"}, 12, 1.5),
    "pool": Small("STACK_POOL_SIZE", "1", {}, 8, 1.5),
    "memory": Small("STACK_PROCESS_MEMORY", "22m", {}, 2, 0.7),
}
"""a web process takes twice 22 MB"""
AT_START = {"STACK_PROCESSES", "STACK_THREADS", "STACK_MEMORY", "STACK_REQUEST_TIMEOUT"}
"""inputs whose files Apache reads at its start alone"""


def load(stack: LocalStack, users: int) -> list[float]:
    """Seconds of each request of a few users, who ask again as soon as they are answered."""
    least, took = time.monotonic() + SECONDS, list[float]()

    def user() -> None:
        with closing(HTTPConnection("127.0.0.1", stack.port, timeout=60)) as client:
            while (begun := time.monotonic()) < least or len(took) < REQUESTS:
                client.request("GET", "/updates?n=1")
                answer = client.getresponse()
                answer.read()
                assert answer.status == 200
                took.append(time.monotonic() - begun)

    with ThreadPoolExecutor(users) as asked:
        for future in [asked.submit(user) for _ in range(users)]:
            future.result()
    return took


def asked_under_load(
    stack: LocalStack, users: int, *words: str, **inputs: str
) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Seconds of a request, the median, and what the command says after it; anew where something
    else held up the machine for so long that there was too little to judge by."""
    for _ in range(TIMES):
        took = statistics.median(load(stack, users))
        done = stack.manage("stack_advise", *words, **inputs)
        if "to judge by" not in done.stderr:
            break
    return took, done


@pytest.mark.slow
def test_too_little_is_refused_in_one_sentence(stack: LocalStack) -> None:
    assert stack.manage("stack_local", "reload", STACK_POOL_SIZE="6").returncode == 0
    try:
        done = stack.manage("stack_advise", STACK_POOL_SIZE="6")
    finally:
        assert stack.manage("stack_local", "reload").returncode == 0
    assert done.returncode == 2
    assert re.match(
        r"the plan in force was measured for \d+ s: too short to judge by \(60 s\). Ask again in \d+ s.",
        done.stderr,
    )
    assert len(done.stderr.splitlines()) == 1


def test_a_check_needs_an_advice(stack: LocalStack) -> None:
    done = stack.manage("stack_advise", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no advice was given yet. `make advise` gives it." in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("small", CASES.values(), ids=CASES)
def test_what_is_advised_mends_a_stack_that_is_too_small(small: Small) -> None:
    with started(**{small.given: small.value}, **small.others) as stack:
        stack.sql(SLOW_ROWS)
        before, advised = asked_under_load(stack, small.users, "--json")
        assert advised.returncode == 0, advised.stderr
        advised_inputs = json.loads(advised.stdout)["advice"]
        changed = {advice["input"]: advice["to"] for advice in advised_inputs if advice["input"]}
        assert small.given in changed, advised.stdout
        early = stack.manage("stack_advise", "--check")
        assert early.returncode == 1
        assert f"not in force: it is {small.value}" in early.stdout

        bring_into_force(stack, changed)
        after, checked = asked_under_load(stack, small.users, "--check", **changed)
        told = f"{before:.3f} and {after:.3f} s\n{advised.stdout}\n{checked.stdout}"
        print(told)
        assert checked.returncode == 0, told
        assert f"{small.given}={changed[small.given]}  mended" in checked.stdout, told
        assert after < before / small.faster, told


def bring_into_force(stack: LocalStack, inputs: dict[str, str]) -> None:
    """By `make reload`, and by `make up` where that is refused and says so."""
    done = stack.manage("stack_local", "reload", **inputs)
    if AT_START & set(inputs):
        assert done.returncode == 2
        assert "`make up` restarts the stack" in done.stderr
        done = stack.manage("stack_local", "up", **inputs)
    assert done.returncode == 0, done.stdout + done.stderr
    stack.wait_until(stack.answers)
    time.sleep(11)  # what the change itself took is not judged by
