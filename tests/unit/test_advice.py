"""Advice by literal measurements, on both sides of each threshold; and which of what was measured
it goes by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixtures.sized import sized
from pgstack.errors import ProbeError
from pgstack.metrics import advised
from pgstack.metrics.advice import Advice, advise
from pgstack.metrics.advised import Advised
from pgstack.metrics.measured import Measured, measured
from pgstack.planning.plan import Plan

MB = 1024**2
QUIET = Measured(
    seconds=300,
    of=3600,
    requests=20.0,
    queue=0.01,
    python=0.4,
    pool_wait=0.0,
    sql=1.0,
    lent=1.0,
    workers=10,
    lock_waiters=0,
    cpu=0.3,
    p99=0.4,
    memory=60 * MB,
)
"""of a stack of 2 processes x 4 threads with a pool of 5, which has little to do"""


def plan(**inputs: object) -> Plan:
    return sized(2, 4096, **inputs)


def changes(busiest: Measured, planned: Plan | None = None) -> dict[str, tuple[str, str]]:
    return {advice.input: (advice.now, advice.to) for advice in advise(busiest, planned or plan())}


def single(busiest: Measured, planned: Plan | None = None) -> Advice:
    (only,) = advise(busiest, planned or plan())
    return only


def test_a_stack_with_little_to_do_is_well() -> None:
    assert (plan().web.processes, plan().web.threads) == (2, 4)
    assert plan().pooler.default_pool_size == 5
    assert advise(QUIET, plan()) == []
    said, verdict = advised.lines(Advised(QUIET, [], {}), plan())
    assert said == (
        "measured  20.0 requests/s, p99 0.40 s, processors busy to 30%, in the busiest 5 min of "
        "60 min"
    )
    assert verdict == "all is well: no input needs to change"


def test_threads_follow_from_littles_law() -> None:
    waits = replace(QUIET, queue=12.0, python=0.4, sql=3.6, lent=3.6)
    advice = single(waits, plan(threads=2, pool_size=20))
    assert (advice.input, advice.now, advice.to) == ("STACK_THREADS", "2", "10")
    assert advice.because == (
        "20.0 requests/s x (0.200 s at work + 0.600 s until a thread is free) = 16.0 at a time "
        "(Little's law); / 0.8 / 2 processes"
    )
    assert advice.brings == "up to 0.600 s less a request"


@pytest.mark.parametrize(
    ("queue", "sql", "fires"),
    [
        (0.099, 0.5, False),  # 0.00495 s a request
        (0.101, 0.5, True),
        (0.99, 9.6, False),  # a tenth of 10 at work
        (1.01, 9.6, True),
    ],
)
def test_a_wait_for_threads_counts_from_5_ms_and_a_tenth_of_the_work(
    queue: float, sql: float, fires: bool
) -> None:
    waits = replace(QUIET, queue=queue, sql=sql, python=0.4)
    assert ("STACK_THREADS" in changes(waits, plan(threads=1))) is fires


def test_threads_are_no_more_than_python_leaves_work_for() -> None:
    # A third of a request is Python: with three threads the interpreter is taken.
    waits = replace(QUIET, queue=20.0, python=1.5, sql=3.0)
    assert changes(waits, plan(threads=2, pool_size=6)) == {"STACK_THREADS": ("2", "3")}


def test_processes_follow_from_python_where_cores_are_idle() -> None:
    busy = replace(QUIET, queue=5.0, python=1.5, sql=0.1, cpu=0.5)
    assert changes(busy, plan(processes=1)) == {"STACK_PROCESSES": ("1", "2")}
    assert changes(replace(busy, python=0.79, queue=0.0), plan(processes=1)) == {}
    assert changes(replace(busy, python=0.81, queue=0.0), plan(processes=1)) == {
        "STACK_PROCESSES": ("1", "2")
    }


def test_a_machine_that_is_busy_is_told_and_gets_no_more_processes() -> None:
    busy = replace(QUIET, queue=5.0, python=1.7, sql=0.1, cpu=0.81)
    advice = single(busy)
    assert (advice.input, advice.brings) == (
        "",
        "only more cores, or pages that do less, bring more",
    )
    assert changes(busy, plan(processes=1)) == {"": ("", "")}
    assert changes(replace(busy, cpu=0.79), plan(processes=1)) == {"STACK_PROCESSES": ("1", "2")}


def test_the_pool_follows_from_what_is_lent_and_who_waits() -> None:
    advice = single(replace(QUIET, sql=1.0, lent=1.0, pool_wait=3.0), plan(pool_size=1))
    assert (advice.input, advice.now, advice.to) == ("STACK_POOL_SIZE", "1", "5")
    assert advice.because == (
        "1.0 backends in use, 3.0 requests at a time that wait for one; / 0.8, at most 8 threads"
    )
    assert advice.brings == "up to 0.150 s less a request"


@pytest.mark.parametrize(
    ("wait", "sql", "fires"),
    [(0.099, 0.5, False), (0.101, 0.5, True), (0.19, 2.0, False), (0.21, 2.0, True)],
)
def test_a_wait_for_backends_counts_from_5_ms_and_a_tenth_of_sql(
    wait: float, sql: float, fires: bool
) -> None:
    waits = replace(QUIET, pool_wait=wait, sql=sql, lent=1.0)
    assert bool(changes(waits, plan(pool_size=1))) is fires


def test_a_pool_is_never_larger_than_there_are_threads() -> None:
    waits = replace(QUIET, sql=5.0, lent=5.0, pool_wait=30.0)
    assert changes(waits) == {"STACK_POOL_SIZE": ("5", "8")}
    assert changes(replace(waits, queue=6.2)) == {
        "STACK_THREADS": ("4", "8"),
        "STACK_POOL_SIZE": ("5", "16"),
    }


def test_a_pool_makes_room_for_those_whom_new_threads_let_in() -> None:
    # Nobody waits for a backend yet: the threads keep them out.
    few = replace(QUIET, queue=12.0, python=0.4, sql=3.6, lent=3.6)
    given = advise(few, plan(threads=2))
    assert [(advice.input, advice.to) for advice in given] == [
        ("STACK_THREADS", "10"),
        ("STACK_POOL_SIZE", "18"),
    ]
    assert given[1].because == (
        "3.6 backends in use, 0.0 requests at a time that wait for one and 10.8 that new threads "
        "let in; / 0.8, at most 20 threads"
    )
    assert changes(replace(few, queue=2.0, sql=1.4, lent=1.0), plan(threads=1)) == {
        "STACK_THREADS": ("1", "3")
    }


def test_a_pool_behind_a_lock_is_not_made_larger() -> None:
    waits = replace(QUIET, sql=5.0, lent=5.0, pool_wait=3.0)
    assert changes(replace(waits, lock_waiters=2.5)) == {"STACK_POOL_SIZE": ("5", "8")}
    assert changes(replace(waits, lock_waiters=2.6)) == {"": ("", "")}


def test_memory_of_a_process_follows_from_what_the_largest_takes() -> None:
    small = plan(process_memory=30 * MB)
    assert changes(replace(QUIET, memory=30 * MB), small) == {}
    assert changes(replace(QUIET, memory=60 * MB), small) == {
        "STACK_PROCESS_MEMORY": ("30m", "75m")
    }
    assert changes(replace(QUIET, memory=None), small) == {}


def test_memory_for_a_crowd_follows_from_its_busy_workers() -> None:
    assert plan().apache.max_request_workers == 1376
    assert changes(replace(QUIET, workers=825)) == {}
    assert changes(replace(QUIET, workers=827)) == {"STACK_MEMORY": ("4096m", "4128m")}
    assert changes(replace(QUIET, workers=5000)) == {"": ("", "")}


def test_the_request_timeout_follows_from_slow_pages_that_do_not_wait() -> None:
    slow = replace(QUIET, p99=16.2)
    assert changes(replace(QUIET, p99=14.9)) == {}
    assert changes(slow) == {"STACK_REQUEST_TIMEOUT": ("30", "33")}
    assert changes(replace(slow, queue=0.15)) == {}


def figures(points: int, requests: float = 10.0, planned: float = 0.0) -> dict[str, Any]:
    names = ("requests", "queue", "python", "pool_wait", "sql", "pool", "workers", "lock_waiters")
    lines: dict[str, list[float | None]] = {name: [1.0] * points for name in (*names, "p99")}
    lines["requests"], lines["cpu"] = [requests] * points, [None] * points
    return {
        "time": [1000.0 + 5 * place for place in range(points)],
        "now": 1000.0 + 5 * (points - 1),
        "interval": 5,
        "facts": {"planned": planned},
        "lines": lines,
    }


def test_too_little_is_refused_in_one_sentence() -> None:
    with pytest.raises(ProbeError) as short:
        measured(figures(5, requests=100.0))
    assert str(short.value) == (
        "the plan in force was measured for 25 s: too short to judge by (60 s). Ask again in 35 s."
    )
    with pytest.raises(ProbeError) as few:
        measured(figures(12, requests=2.0))
    assert str(few.value) == (
        "120 requests in 60 s: too few to judge by (200). Let it serve, or put it under load."
    )
    with pytest.raises(ProbeError, match=r"25 s: too short to judge by \(60 s\)"):
        measured(figures(5, requests=2.0))
    with pytest.raises(ProbeError, match=r"10 s: too short to judge by \(30 s\). .* in 20 s"):
        measured(figures(100, planned=1480.0), last=30)
    assert measured(figures(12)).seconds == 60


def test_a_shorter_time_may_be_asked_for() -> None:
    busiest = measured(figures(100), last=30)
    assert (busiest.seconds, busiest.of, busiest.requests) == (35, 35, 10)


def test_what_was_measured_with_another_plan_does_not_count() -> None:
    busiest = measured(figures(100, planned=1190.0))
    assert (busiest.of, busiest.seconds) == (300, 300)


def test_the_busiest_minutes_count() -> None:
    given = figures(400)
    given["lines"]["sql"][200:260] = [9.0] * 60
    given["lines"]["workers"][230] = 77.0
    given["lines"]["sql"][3] = None
    busiest = measured(given)
    assert (busiest.sql, busiest.workers, busiest.seconds, busiest.of) == (9.0, 77.0, 300, 1995)
    assert busiest.cpu is None


def test_a_check_tells_what_was_mended_and_what_was_not() -> None:
    before = replace(QUIET, queue=12.0, sql=3.6, pool_wait=2.0, lent=1.0)
    small = plan(threads=2, pool_size=1)
    given = Advised(before, advise(before, small), {})
    assert [(a.input, a.to) for a in given.advice] == [
        ("STACK_THREADS", "10"),
        ("STACK_POOL_SIZE", "18"),
    ]
    words = dict.fromkeys(("STACK_THREADS", "STACK_POOL_SIZE"), "0.6 s")
    given = replace(given, quantities=words)

    def told(busiest: Measured, planned: Plan) -> tuple[bool, list[str]]:
        now = Advised(busiest, advise(busiest, planned), dict.fromkeys(words, "0.0 s"))
        well, lines = advised.checked(given, now, planned)
        return well, lines[2:]

    right = plan(threads=10, pool_size=18)
    assert told(QUIET, right) == (
        True,
        [
            "STACK_THREADS=10  mended: 0.6 s before, 0.0 s now",
            "STACK_POOL_SIZE=18  mended: 0.6 s before, 0.0 s now",
        ],
    )
    well, lines = told(QUIET, plan(threads=10, pool_size=1))
    assert not well
    assert lines[1].startswith("STACK_POOL_SIZE=18  not in force: it is 1, 18 was advised")
    well, lines = told(replace(QUIET, queue=20.0, sql=19.0), right)
    assert not well
    assert lines[0].startswith("STACK_THREADS=10  not enough: 25 is advised now")
