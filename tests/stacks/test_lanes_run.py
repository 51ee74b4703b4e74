"""A lane on the local stack: clients that hold all of it take nothing from other pages."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from fixtures import pooler_console
from fixtures.local_stack import LocalStack
from pgstack.live.probes import exporter
from pgstack.planning.plan import Plan

LANES = {
    "STACK_LANES": "slow=/slow:1x2:pool 1; reports=/reports/:2x1",
    "STACK_REQUEST_TIMEOUT": "6",
}
QUEUE_SECONDS = 2
"""a third of that"""


@pytest.fixture(scope="module")
def laned(stack: LocalStack) -> Iterator[LocalStack]:
    done = stack.manage("stack_local", "up", **LANES)
    assert done.returncode == 0, done.stdout + done.stderr
    yield stack
    assert stack.manage("stack_local", "up").returncode == 0


def get(stack: LocalStack, path: str) -> tuple[int, float]:
    begun = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        status = session.get(f"{stack.url}{path}", timeout=30).status_code
    return status, time.monotonic() - begun


def test_its_processes_and_its_pool_are_what_was_planned(laned: LocalStack) -> None:
    done = laned.manage("stack_verify", **LANES)
    assert done.returncode == 0, done.stdout
    words = " ".join(done.stdout.split())
    assert "1 x 2 of slow + 2 x 1 of reports = 12 threads answered" in words
    assert "ways of writing a path are answered by the lane of what Django sees" in words
    rows = {row["name"]: row for row in pooler_console.ask(laned, "SHOW DATABASES")}
    row = rows["app_lane_slow"]
    assert (int(row["pool_size"]), int(row["max_connections"])) == (1, 1)


def test_clients_that_hold_all_of_it_hold_nobody_else_up(laned: LocalStack) -> None:
    with ThreadPoolExecutor(8) as clients:
        slow = [clients.submit(get, laned, "/%2Fslow?seconds=1.5") for _ in range(8)]
        time.sleep(0.5)
        answers = [get(laned, "/db") for _ in range(20)]
        statuses: Counter[int] = Counter(answer.result()[0] for answer in slow)
    assert {status for status, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < 1
    assert statuses.keys() <= {200, 504}
    assert statuses[504] > 0, "they were held for longer than a request may wait"


def test_who_waits_too_long_in_a_lane_is_told_though_other_threads_are_free(
    laned: LocalStack,
) -> None:
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: get(laned, "/slow?seconds=3.5"), range(4)))
    late = [seconds for status, seconds in answers if status == 504]
    assert len(late) >= 2, answers
    # Before the threads of the lane are free again.
    assert min(late) == pytest.approx(QUEUE_SECONDS, abs=1)


def test_it_is_measured_beside_all_other_pages(laned: LocalStack) -> None:
    get(laned, "/slow?seconds=0.1")
    samples = scraped(laned)
    assert samples['pgstack_wsgi_processes{lane="slow"}'] == 1
    assert samples['pgstack_plan_threads{lane="reports"}'] == 2
    assert samples['pgstack_wsgi_responses_total{class="2xx",lane="slow"}'] >= 1
    assert samples['pgstack_plan_pool_size{database="app_lane_slow"}'] == 1
    assert samples["pgstack_wsgi_processes"] == samples["pgstack_plan_processes"]
    told = laned.manage("stack_local", "status", **LANES).stdout
    assert "threads slow" in told
    assert "pool slow" in told


def scraped(stack: LocalStack) -> dict[str, float]:
    plan = Plan.model_validate_json((stack.directory / "conf/plan.json").read_bytes())
    assert plan.metrics is not None
    lines = (line for line in exporter.scrape(plan.metrics).splitlines() if line[0] != "#")
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.slow
def test_a_release_replaces_its_processes_too(laned: LocalStack) -> None:
    before = {process.pid for process in laned.daemons()}
    done = laned.manage("stack_local", "release", **LANES)
    assert done.returncode == 0, done.stdout + done.stderr
    after = {process.pid for process in laned.daemons()}
    assert len(before) == len(after)
    assert not before & after
    assert laned.manage("stack_verify", **LANES).returncode == 0


def test_a_reload_with_another_lane_is_refused(laned: LocalStack) -> None:
    """Apache would have to start again."""
    done = laned.manage("stack_local", "reload", **{**LANES, "STACK_LANES": "slow=/slow"})
    assert done.returncode != 0
    assert "Apache reads it only when it starts" in done.stderr
    assert get(laned, "/slow?seconds=0")[0] == 200
