"""The page's hour: lines between two scrapes, their history, and what falls out of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from fixtures.sized import sized
from pgstack.metrics import lines, machine, planned, pooler, postgres, web
from pgstack.metrics.board import Board
from pgstack.metrics.history import History
from pgstack.metrics.model import LANE, Counts, Metric, Sample
from pgstack.metrics.reading import Between, Reading, quantile

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def single(metric: Metric, value: float, *labels: str) -> Sample:
    lane = ("",) if metric.labels[-1:] == (LANE,) else ()
    return Sample(metric, labels + lane, value)


def times(metric: Metric, total: float, **buckets: int) -> Sample:
    """A histogram; buckets by their place, as `b4=10`."""
    counts = [float(buckets.get(f"b{place}", 0)) for place in range(len(SECONDS) + 1)]
    return Sample(metric, ("",), Counts(SECONDS, tuple(counts), total))


def samples(asked: int, queue: float, application: float, database: float) -> list[Sample]:
    return [
        single(web.RESPONSES, asked, "2xx"),
        single(web.RESPONSES, asked // 10, "5xx"),
        single(web.LATE, 0),
        times(web.QUEUE, queue, b0=asked),
        times(web.APPLICATION, application, b4=asked),
        times(web.DATABASE, database, b4=asked),
        times(web.REQUEST, queue + application, b4=asked),
        single(pooler.WAITED, database / 4, "app"),
        single(pooler.IN_TRANSACTION, database, "app"),
        single(pooler.SERVERS, 1, "app", "app", "active"),
        single(postgres.OLDEST, 3.5),
        single(postgres.BACKENDS, 2, "app", "active"),
        single(postgres.BACKENDS, 1, "app", "idle in transaction"),
        single(machine.CORES, 2),
        single(machine.BUSY, asked / 10),
        single(machine.MEMORY, 100),
        single(machine.AVAILABLE, 40),
        single(machine.WAITED, asked / 100, "cpu"),
    ]


def point(before: Iterable[Sample], now: Iterable[Sample]) -> dict[str, float | None]:
    return lines.point(Between(Reading(before, 100), Reading(now, 105)))


def test_lines_are_what_was_between_two_scrapes() -> None:
    drawn = point(samples(0, 0, 0, 0), samples(50, 10, 20, 12))
    assert drawn["requests"] == 11
    assert drawn["errors"] == 1
    assert drawn["queue"] == 2
    assert drawn["python"] == pytest.approx(1.6)
    assert drawn["pool_wait"] == 0.6
    assert drawn["sql"] == pytest.approx(1.8)
    assert drawn["pool"] == 2.4
    assert drawn["p50"] == 0.0175
    assert drawn["idle_in_transaction"] == 1
    assert drawn["cpu"] == 0.5
    assert drawn["memory"] == 0.6
    assert drawn["pressure_cpu"] == 0.1
    assert drawn["pressure_io"] is None


def test_backends_that_were_lent_for_long_count_no_more_than_there_are() -> None:
    pool = [single(planned.POOL, 5, "app"), single(planned.RESERVE, 2, "app")]
    drawn = point([*pool, *samples(0, 0, 0, 0)], [*pool, *samples(50, 10, 500, 400)])
    assert drawn["pool"] == 7


def test_what_began_anew_is_a_gap_and_no_fall() -> None:
    drawn = point(samples(50, 10, 20, 12), samples(5, 1, 2, 1))
    assert drawn["requests"] is None
    assert drawn["queue"] is None
    assert drawn["p95"] is None


def test_a_source_that_is_silent_is_a_gap() -> None:
    drawn = point([], [])
    assert set(drawn) == set(lines.NAMES)
    assert set(drawn.values()) == {None}


def test_without_a_request_nothing_is_known_of_how_long_they_take() -> None:
    drawn = point(samples(50, 10, 20, 12), samples(50, 10, 20, 12))
    assert drawn["requests"] == 0
    assert drawn["p99"] is None


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ((10.0, 0.0, 0.0), 0.5, 0.5),
        ((0.0, 10.0, 0.0), 0.5, 2.0),
        ((5.0, 5.0, 0.0), 0.75, 2.0),
        ((0.0, 0.0, 10.0), 0.5, 3.0),
        ((0.0, 0.0, 0.0), 0.5, None),
    ],
)
def test_quantiles_are_those_of_prometheus(
    counts: tuple[float, ...], share: float, value: float | None
) -> None:
    assert quantile(Counts((1, 3), counts, 0), share) == value


def test_history_is_bounded_and_tells_what_came_since() -> None:
    history = History(("a", "b"), points=3)
    for at in range(5):
        history.add(at, {"a": at * 1.23456, "b": None})
    kept = history.since(0)
    assert kept["time"] == [2, 3, 4]
    assert kept["lines"] == {"a": [2.469, 3.704, 4.938], "b": [None, None, None]}
    assert history.since(3)["time"] == [4]
    assert history.since(4) == {"time": [], "lines": {"a": [], "b": []}, "marks": []}


def test_processes_that_begin_one_after_the_other_are_one_mark() -> None:
    history = History(("a",))
    for at in (10, 40, 200):
        history.mark(at, "deploy", "new web processes")
    assert [mark["time"] for mark in history.since(0)["marks"]] == [10, 200]


def test_days_left_follow_from_the_pace_of_what_is_kept() -> None:
    history = History(("free",))
    for at in range(0, 3601, 60):
        history.add(at, {"free": 1_000_000 - at})
    assert history.days_left("free") == pytest.approx(11.53, abs=0.01)
    assert History(("free",)).days_left("free") is None


def board(*scrapes: list[Sample]) -> dict[str, Any]:
    made = Board()
    for place, scrape in enumerate(scrapes):
        made.see(scrape, 1000 + 5 * place)
    return dict(json.loads(made.text(0, sized(2, 4096))))


def test_what_happens_is_marked() -> None:
    before = [
        single(web.SINCE, 2, "0"),
        single(planned.WRITTEN, 10),
        single(postgres.COLUMNS["server"]["started"], 5),
    ]
    after = [
        single(web.SINCE, 4, "0"),
        single(web.SINCE, 998, "1"),
        single(planned.WRITTEN, 90),
        single(postgres.COLUMNS["server"]["started"], 50),
    ]
    marks = board(before, before, after, after)["marks"]
    assert [(mark["kind"], mark["time"]) for mark in marks] == [
        ("deploy", 998),
        ("plan", 90),
        ("start", 50),
    ]


def test_statements_are_shown_while_somebody_looks_and_not_those_of_hours_ago() -> None:
    row = {"text": "SELECT 1", "calls": 1, "seconds": 1, "share": 1, "rows": 1}
    shown = Board()
    assert not shown.is_watched()
    shown.see([], 1000)
    shown.text(0, sized(2, 4096))
    assert shown.is_watched()
    shown.detail({"statements": [row]})
    assert "statements" in json.loads(shown.text(0, sized(2, 4096)))
    shown.detail({"backends": []})
    assert "statements" not in json.loads(shown.text(0, sized(2, 4096)))


def test_an_exporter_that_has_just_started_says_so() -> None:
    assert board() == {"now": None, "verdict": {"level": "warn", "text": "It has just started."}}
