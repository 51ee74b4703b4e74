"""The pure parts of the load generator: schedule, pace, warm-up, what counts, what a job may ask
for."""

from __future__ import annotations

import sys
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.lab import histograms
from loadtest.lab.generator import Job
from loadtest.lab.generator.recorder import Recorder
from loadtest.lab.generator.schedule import Pace, arrivals, is_flat
from loadtest.lab.model import Load

CLOSED = Load(kind="closed", page="/db", users=4, seconds=2)
OPEN = Load(kind="open", page="/db", users=4, rate=100, seconds=2)


def test_arrivals_with_one_seed_are_the_same_and_with_another_are_not() -> None:
    first = list(islice(arrivals(200, seed=7), 1000))
    assert first == list(islice(arrivals(200, seed=7), 1000))
    assert first != list(islice(arrivals(200, seed=8), 1000))


def test_arrivals_rise_and_keep_the_mean_rate() -> None:
    moments = list(islice(arrivals(200, seed=7), 20_000))
    assert moments == sorted(moments)
    assert moments[-1] == pytest.approx(100.0, rel=0.02)


def test_arrivals_are_a_poisson_process_not_an_even_one() -> None:
    moments = list(islice(arrivals(200, seed=7), 20_000))
    gaps = [after - before for before, after in pairwise(moments)]
    assert sum(gap < 0.005 for gap in gaps) / len(gaps) == pytest.approx(0.632, abs=0.01)  # 1 - 1/e


@pytest.mark.parametrize(
    ("counts", "flat"),
    [
        ([], False),
        ([1000, 1000, 1000], False),
        ([1000, 1000, 1000, 1000], True),
        ([100, 400, 800, 1000], False),
        ([100, 400, 1000, 1000, 1000, 1010], True),
        ([5000, 5000, 5300, 5300], False),
        ([5000, 5000, 5200, 5200], True),
        ([5000, 5000, 4700, 4700], False),
        ([70, 80, 85, 80], True),
        ([70, 70, 90, 90], False),
        ([1000, 1000, 0, 0], False),
        ([0, 0, 0, 0], False),
    ],
)
def test_rate_is_flat_when_the_last_second_is_like_the_one_before(
    counts: list[int], flat: bool
) -> None:
    assert is_flat(counts) is flat


def test_pace_never_sends_two_requests_within_its_interval() -> None:
    pace = Pace(rate=4)
    assert [pace.wait(now=100.0) for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]


def test_pace_does_not_save_up_what_was_not_sent() -> None:
    pace = Pace(rate=4)
    assert pace.wait(now=100.0) == 0.0
    assert [pace.wait(now=109.0), pace.wait(now=109.0)] == [0.0, 0.25]


def measuring(load: Load) -> Recorder:
    recorder = Recorder(load, seed=7)
    recorder.origin = 5.0
    recorder.measure(10.0)
    return recorder


def test_closed_loop_counts_what_is_answered_in_the_measured_part() -> None:
    recorder = measuring(CLOSED)
    for sent, done in [(9.0, 9.9), (9.8, 10.1), (10.5, 10.6), (11.0, 11.9), (11.9, 12.1)]:
        recorder.sent += 1
        recorder.record(sent, done, None)
    outcome = recorder.outcome(5.0, cpu=0.1)
    assert (outcome.requests, outcome.unanswered, outcome.sent, outcome.seconds) == (3, 0, 5, 2.0)
    assert outcome.rates == (2.0, 1.0)
    assert outcome.corrected is None


def test_closed_loop_counts_a_failure_that_comes_after_the_measured_part() -> None:
    recorder = measuring(CLOSED)
    for done, reason in [
        (9.9, "status 500"),
        (10.1, "status 500"),
        (12.1, "status 503"),
        (12.2, "status 503"),
    ]:
        recorder.sent += 1
        recorder.record(9.8, done, reason)
    outcome = recorder.outcome(5.0, cpu=0.1)
    assert (outcome.requests, outcome.failures) == (0, 3)
    assert outcome.reasons == {"status 500": 1, "status 503": 2}


def test_closed_loop_counts_as_unanswered_what_timed_out_or_never_ended() -> None:
    recorder = measuring(CLOSED)
    recorder.sent = 3
    recorder.record(10.0, 10.1, None)
    recorder.record(10.0, 50.0, "timed out")
    outcome = recorder.outcome(5.0, cpu=0.1)
    assert (outcome.requests, outcome.failures, outcome.unanswered) == (1, 0, 2)


def test_open_loop_counts_what_is_due_in_the_measured_part_however_late_it_is() -> None:
    recorder = measuring(OPEN)
    recorder.record(sent=10.5, done=10.6, reason=None, due=9.9)
    recorder.record(sent=10.1, done=10.2, reason=None, due=10.1)
    recorder.record(sent=14.0, done=14.1, reason=None, due=11.1)
    recorder.record(sent=14.0, done=14.1, reason="status 500", due=11.9)
    recorder.record(sent=12.0, done=12.1, reason="status 500", due=12.0)
    assert (recorder.requests, recorder.failures) == (2, 1)
    assert histograms.percentile(recorder.latency, 100) == pytest.approx(100, rel=0.002)
    assert histograms.percentile(recorder.corrected, 100) == pytest.approx(3000, rel=0.002)


def test_open_loop_counts_as_unanswered_what_was_due_and_never_sent() -> None:
    recorder = measuring(OPEN)
    recorder.record(sent=10.1, done=10.2, reason=None, due=10.1)
    due = sum(10.0 <= 5.0 + moment < 12.0 for moment in islice(arrivals(100, seed=7), 2000))
    assert due == 200
    assert recorder.unanswered() == 199


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": "http://192.0.2.1:8000"}, "load goes to this host only"),
        ({"url": "http://192.0.2.1:8000", "named": True}, "needs max_rate"),
        ({"url": "http://127.0.0.1:8000/db"}, "url"),
        ({"host": "a\r\nX: y"}, "host"),
        ({"loads": ()}, "loads"),
        ({"loads": (OPEN,), "max_rate": 99}, r"rate 100\.0/s: more than max_rate 99\.0/s"),
        ({"loads": (OPEN.model_copy(update={"rate": None}),)}, "an open loop has a rate"),
        ({"loads": (CLOSED.model_copy(update={"rate": 5.0}),)}, "a closed one none"),
    ],
)
def test_job_refuses(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Job(**{"url": "http://127.0.0.1:8000", "loads": (CLOSED,), **change})


def test_job_knows_what_the_pages_of_the_demo_contain() -> None:
    job = Job(url="http://127.0.0.1:8000", loads=(CLOSED,))
    assert job.expected(CLOSED) == (b'"id"', b'"randomNumber"')
    assert job.expected(Load(kind="closed", page="/queries?n=20", users=1, seconds=1)) == (
        b'"id"',
        b'"randomNumber"',
    )
    assert job.expected(Load(kind="closed", page="/elsewhere", users=1, seconds=1)) == ()
