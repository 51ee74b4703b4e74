"""The load generator as a process, against a server that counts and misbehaves on purpose."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.lab import histograms
from loadtest.lab.generator import Job, Outcome, Progress, drive, drive_all, drive_pair
from loadtest.lab.generator.job import KEPT_SECONDS
from loadtest.lab.model import Load
from pydantic import ValidationError

from fixtures.counting_server import CountingServer, Stall, http, serving
from fixtures.generator_jobs import closed, job
from pgstack.planning.sizing.web import KEEP_ALIVE_SECONDS


def run(server: CountingServer, *loads: Load) -> Outcome:
    return drive(job(server, *loads), lambda at: None)


def total(encoded: str | None) -> int:
    assert encoded
    return int(histograms.decode(encoded).get_total_count())


def percentile(encoded: str | None, percent: float) -> float:
    assert encoded
    milliseconds = histograms.percentile(histograms.decode(encoded), percent)
    assert milliseconds is not None
    return milliseconds


def test_corrected_latency_sees_a_stall_that_the_naive_one_does_not() -> None:
    load = Load(kind="open", page="/plain", users=4, rate=200, seconds=10)
    with serving(Stall(seconds=1.0, at=1000)) as server:
        outcome = run(server, load)
    assert (outcome.failures, outcome.unanswered) == (0, 0)
    assert outcome.requests == pytest.approx(2000, rel=0.1)
    assert percentile(outcome.corrected, 99) >= 500
    assert percentile(outcome.latency, 99) < percentile(outcome.corrected, 99) / 4
    assert total(outcome.latency) == total(outcome.corrected) == outcome.requests


def test_server_and_generator_count_the_same_requests() -> None:
    with serving() as server:
        outcome = run(server, closed(users=8, seconds=2))
        assert outcome.sent == server.count
    assert (outcome.failures, outcome.unanswered, outcome.reasons) == (0, 0, {})
    assert 0 < outcome.requests < outcome.sent
    assert sum(outcome.rates) == outcome.requests == total(outcome.latency)
    assert len(outcome.rates) == outcome.seconds == 2
    assert outcome.warm_seconds == pytest.approx(0.5, abs=0.4)
    assert 0 < outcome.generator_cpu <= 1.05


def test_open_loop_sends_each_arrival_once() -> None:
    with serving() as server:
        outcome = run(server, Load(kind="open", page="/plain", users=4, rate=100, seconds=2))
        assert outcome.sent == server.count
    assert outcome.requests == pytest.approx(200, rel=0.2)
    assert (outcome.failures, outcome.unanswered) == (0, 0)


def test_arrivals_that_queue_at_the_end_are_sent_and_counted() -> None:
    load = Load(kind="open", page="/plain", users=2, rate=100, seconds=2)
    with serving(Stall(seconds=1.0, at=200)) as server:
        outcome = run(server, load)
    assert outcome.requests == pytest.approx(200, rel=0.2)
    assert (outcome.failures, outcome.unanswered) == (0, 0)


def test_ladder_has_one_outcome_and_one_histogram_for_each_rung() -> None:
    finished: list[Outcome] = []
    with serving() as server:
        plan = job(server, closed(1), closed(2), closed(4))
        outcomes = drive_all(plan, lambda at: None, finished.append)
        assert sum(outcome.sent for outcome in outcomes) == server.count
    assert list(outcomes) == finished
    assert [outcome.load.users for outcome in outcomes] == [1, 2, 4]
    assert all(
        0 < total(outcome.latency) == outcome.requests < outcome.sent for outcome in outcomes
    )


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (lambda number: http(length=100), "answer not whole"),
        (lambda number: None, "closed without an answer"),
        (lambda number: http(status="503 Service Unavailable"), "status 503"),
        (lambda number: http(body=b"Traceback"), "unexpected body"),
        (lambda number: http(body=b""), "unexpected body"),
    ],
)
def test_answer_that_is_not_the_page_is_a_failure(
    behave: Callable[[int], bytes | None], reason: str
) -> None:
    with serving(behave) as server:
        outcome = run(server)
        assert outcome.sent == server.count, "nothing is sent a second time in silence"
    assert (outcome.requests, outcome.unanswered) == (0, 0)
    assert outcome.failures > 0
    assert set(outcome.reasons) == {reason}
    assert total(outcome.latency) == 0


def test_page_of_the_database_must_have_its_fields() -> None:
    with serving(lambda number: http(body=b'{"id": 1, "randomNumber": 2}')) as server:
        assert run(server, closed(page="/db")).failures == 0
    with serving(lambda number: http(body=b'{"id": 1}')) as server:
        assert run(server, closed(page="/db")).requests == 0


def test_request_that_is_never_answered_is_counted_as_such() -> None:
    forever = Stall(seconds=30)

    def stall_once_measured(at: Progress) -> None:
        if at.requests:
            forever.begin()

    with serving(forever) as server:
        outcome = drive(job(server, closed(users=4, seconds=2)), stall_once_measured)
    assert outcome.requests > 0
    assert (outcome.failures, outcome.unanswered) == (0, 4)


def test_arrivals_that_wait_for_a_connection_to_the_end_are_unanswered() -> None:
    with serving(Stall(seconds=30, at=100)) as server:
        outcome = run(server, Load(kind="open", page="/plain", users=2, rate=100, seconds=2))
    assert outcome.unanswered > 50
    assert outcome.requests + outcome.unanswered == pytest.approx(200, rel=0.2)


def test_maximum_rate_holds_back_a_closed_loop() -> None:
    with serving() as server:
        outcome = drive(job(server, closed(users=16, seconds=2), max_rate=50), lambda at: None)
    assert 0 < outcome.requests <= 101


def test_a_user_leaves_a_connection_before_the_stack_closes_it() -> None:
    assert KEPT_SECONDS < KEEP_ALIVE_SECONDS / 2


@pytest.mark.parametrize(("rate", "kept"), [(0.4, False), (10, True)])
def test_connection_is_kept_while_no_server_closes_it(rate: float, kept: bool) -> None:
    """One that has been idle for as long as a server waits is closed when it is used again."""
    with serving() as server:
        outcome = drive(job(server, closed(users=1, seconds=5), max_rate=rate), lambda at: None)
        assert outcome.failures == 0
        assert (server.connections == 1) == kept
        assert kept or server.connections >= server.count > 1


def test_progress_goes_through_the_phases_and_counts() -> None:
    seen: list[Progress] = []
    with serving() as server:
        outcome = drive(job(server), seen.append)
    phases = [at.phase for at in seen]
    assert phases == sorted(phases, key=["warming", "measuring", "draining"].index)
    assert set(phases) == {"warming", "measuring", "draining"}
    assert seen[-1].requests == outcome.requests
    assert next(at.requests for at in seen if at.phase == "measuring") == 0, (
        "it is told at once when a phase begins"
    )


def slow(seconds: float) -> Callable[[int], bytes | None]:
    """Every answer takes so long."""

    def behave(number: int) -> bytes | None:
        time.sleep(seconds)
        return http()

    return behave


def test_two_servers_take_turns_and_each_keeps_its_own_counts() -> None:
    with serving() as fast, serving(slow(0.02)) as other:
        plan = job(fast, closed(users=4, seconds=2)).model_copy(update={"against": other.url})
        first, second = drive_pair(plan, lambda at: None)
        assert (first.sent, second.sent) == (fast.count, other.count)
    for outcome in (first, second):
        assert (outcome.failures, outcome.unanswered) == (0, 0)
        assert outcome.requests == total(outcome.latency)
        assert outcome.seconds == pytest.approx(2, abs=0.3), "of its own turns only"
        assert len(outcome.rates) == 4
    assert second.requests / second.seconds == pytest.approx(200, rel=0.25), (
        "four users, 20 ms each"
    )
    assert first.requests / first.seconds > 2 * second.requests / second.seconds


def test_while_one_server_has_its_turn_the_other_gets_nothing() -> None:
    arrived: list[tuple[float, str]] = []

    def note(name: str) -> Callable[[int], bytes | None]:
        def behave(number: int) -> bytes | None:
            arrived.append((time.monotonic(), name))
            return http()

        return behave

    with serving(note("a")) as served, serving(note("b")) as other:
        drive_pair(
            job(served, closed(users=4, seconds=1)).model_copy(update={"against": other.url}),
            lambda at: None,
        )
    measured = [name for at, name in sorted(arrived) if at > arrived[-1][0] - 1.9]
    turns = "".join(
        name for name, before in zip(measured, ["", *measured], strict=False) if name != before
    )
    assert turns in ("aba", "ba", "abab", "bab"), "whole turns, not a mixture"


def test_second_server_may_be_asked_for_another_page() -> None:
    with (
        serving() as served,
        serving(lambda number: http(body=b'{"id": 1, "randomNumber": 2}')) as other,
    ):
        plan = job(served, closed(seconds=1)).model_copy(
            update={"against": other.url, "against_page": "/db"}
        )
        first, second = drive_pair(plan, lambda at: None)
    assert (first.load.page, first.failures, second.load.page, second.failures) == (
        "/plain",
        0,
        "/db",
        0,
    )
    assert second.requests > 0


def test_an_open_loop_takes_no_turns() -> None:
    with (
        serving() as server,
        pytest.raises(ValidationError, match="an open loop cannot take turns"),
    ):
        Job(
            url=server.url,
            against=server.url,
            loads=(Load(kind="open", page="/", users=1, rate=1, seconds=1),),
        )


def test_server_that_is_away_is_a_failure_and_not_a_busy_loop() -> None:
    with serving() as server:
        plan = job(server)
    outcome = drive(plan, lambda at: None)
    assert outcome.requests == 0
    assert set(outcome.reasons) == {"no connection: Connection refused"}
    assert outcome.sent < 100
