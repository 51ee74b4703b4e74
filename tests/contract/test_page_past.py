"""What a real Prometheus remembers of the page's lines and marks, whatever is asked."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import pytest

from fixtures.prometheus import planned, remembering, unknown_metrics
from pgstack.errors import ProbeError
from pgstack.live.probes import prometheus
from pgstack.live.probes.exporter import RANGES
from pgstack.metrics import lines, page, past
from pgstack.planning import layout
from pgstack.planning.observability import Observability
from pgstack.planning.services import PROMETHEUS
from pgstack.ports import free_port

INTERVAL, SINCE = 15, 2 * 3600
NOW = int(time.time()) // INTERVAL * INTERVAL
BUCKETS = {"0.1": 0.5, "0.5": 0.9, "1.0": 1.0, "+Inf": 1.0}
GAUGES = {
    "apache_busy_workers": 7,
    "wsgi_busy_threads": 3,
    "plan_pool_size": 5,
    "plan_pool_reserve": 2,
    "postgresql_lock_waiters": 1,
    "postgresql_oldest_transaction_seconds": 4,
    "machine_cores": 2,
    "machine_memory_bytes": 1000,
    "machine_memory_available_bytes": 400,
    "machine_disk_free_bytes": 5000,
    'pgbouncer_server_connections{state="active"}': 1,
    'postgresql_backends{role="app",state="active"}': 2,
    'postgresql_backends{role="app",state="idle in transaction"}': 1,
}
RATES = {
    'wsgi_responses_total{class="2xx"}': 8,
    'wsgi_responses_total{class="5xx"}': 1,
    "wsgi_late_requests_total": 1,
    "wsgi_queue_seconds_sum": 2,
    "wsgi_application_seconds_sum": 3,
    "wsgi_database_seconds_sum": 1.5,
    "pgbouncer_wait_seconds_total": 0.5,
    "pgbouncer_transaction_seconds_total": 2.5,
    "machine_cpu_seconds_total": 0.5,
    'machine_pressure_seconds_total{resource="cpu"}': 0.25,
    'machine_pressure_seconds_total{resource="io"}': 4,
}
"""a second"""
LINES = {
    "requests": 10,
    "errors": 2,
    "p50": 0.1,
    "p95": 0.75,
    "p99": 0.95,
    "queue": 2,
    "python": 1.5,
    "pool_wait": 0.5,
    "sql": 1,
    "workers": 7,
    "threads": 3,
    "pool": 2.5,
    "active": 2,
    "idle_in_transaction": 1,
    "lock_waiters": 1,
    "oldest": 4,
    "cpu": 0.25,
    "memory": 0.6,
    "pressure_cpu": 0.25,
    "pressure_io": 1,
    "pressure_memory": None,
    "disk_free": 5000,
}
RELEASED, PLANNED, ALERTED = NOW - 3000, NOW - 5000, NOW - 4000


def series(name: str, value: Callable[[int], float | None]) -> Iterator[str]:
    """Of the last hours."""
    yield f"# TYPE {name.partition('{')[0]} unknown\n"
    for at in range(NOW - SINCE, NOW + 1, INTERVAL):
        if (given := value(at)) is not None:
            yield f"{name} {given} {at}\n"


def rising(rate: float) -> Callable[[int], float]:
    return lambda at: rate * (at - NOW + SINCE)


def samples() -> Iterator[str]:
    for name, value in GAUGES.items():
        yield from series(f"pgstack_{name}", lambda _, value=value: value)  # type: ignore[misc]
    for name, rate in RATES.items():
        yield from series(f"pgstack_{name}", rising(rate))
    for bound, share in BUCKETS.items():
        name = f'pgstack_wsgi_request_seconds_bucket{{le="{bound}"}}'
        yield from series(name, rising(10 * share))
    for name, before, moment in (
        ('pgstack_wsgi_process_start_timestamp_seconds{process="1"}', NOW - 10**6, RELEASED),
        ("pgstack_plan_written_timestamp_seconds", NOW - 10**6, PLANNED),
        ("pgstack_postgresql_start_timestamp_seconds", NOW - 10**6, NOW + 1),
    ):
        yield from series(name, lambda at, b=before, m=moment: m if at >= m else b)  # type: ignore[misc]
    for name, severity, state in (
        ("PoolWaits", "page", "firing"),
        ("SiteDown", "page", "pending"),
        ("Watchdog", "none", "firing"),
    ):
        labels = f'{{alertname="{name}",severity="{severity}"'

        def held(at: int) -> bool:
            return ALERTED <= at < ALERTED + 600

        yield from series(f"ALERTS_FOR_STATE{labels}}}", lambda at: ALERTED if held(at) else None)
        yield from series(
            f'ALERTS{labels},alertstate="{state}"}}', lambda at: 1 if held(at) else None
        )


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observability]:
    with remembering("".join(samples()), tmp_path_factory.mktemp("prometheus")) as known:
        yield known


@pytest.mark.parametrize("name", RANGES)
def test_every_line_is_computed_as_the_page_does(part: Observability, name: str) -> None:
    told = past.asked(part, RANGES[name], NOW)
    assert set(told["lines"]) == set(lines.NAMES)
    last = {line: values[-1] for line, values in told["lines"].items()}
    assert last == {line: value and pytest.approx(value, rel=0.05) for line, value in LINES.items()}
    assert 288 <= len(told["time"]) - 1 <= 360
    assert {len(values) for values in told["lines"].values()} == {len(told["time"])}
    assert (told["time"][-1], told["time"][-1] - told["time"][0]) == (NOW, RANGES[name].seconds)


def test_what_was_before_is_a_gap(part: Observability) -> None:
    told = past.asked(part, RANGES["6h"], NOW)
    assert told["lines"]["threads"][:200] == [None] * 200


def test_marks_are_releases_plans_and_alerts_that_fired_at_their_moments(
    part: Observability,
) -> None:
    marks = past.asked(part, RANGES["6h"], NOW)["marks"]
    assert [(mark["kind"], mark["time"]) for mark in marks] == [
        ("plan", PLANNED),
        ("alert", ALERTED),
        ("deploy", RELEASED),
    ]
    assert marks[1]["text"] == "PoolWaits"


def test_every_metric_in_it_is_the_exporters() -> None:
    assert unknown_metrics(past.query(60)) == []


def test_the_page_offers_these_ranges() -> None:
    text = (page.STATIC / "page.html").read_text()
    assert re.findall(r'name="range" value="(\w*)"', text) == ["", *RANGES]


@dataclass
class Counted:
    """How often it was read, and what it says."""

    answer: bytes | ProbeError
    count: int = 0

    def __call__(self, _: str) -> bytes:
        self.count += 1
        if isinstance(self.answer, ProbeError):
            raise self.answer
        return self.answer


def test_many_who_look_cost_as_one() -> None:
    read = Counted(b"{}")
    remembered = past.Past(read)
    assert [remembered.text("6h"), remembered.text("6h"), remembered.text("1d")] == [b"{}"] * 3
    assert read.count == 2


def test_that_it_does_not_answer_is_kept_for_a_moment_too() -> None:
    read = Counted(ProbeError("away"))
    remembered = past.Past(read)
    for _ in range(3):
        with pytest.raises(ProbeError, match="away"):
            remembered.text("6h")
    assert read.count == 1


def test_nobody_asks_a_question_of_their_own() -> None:
    read = Counted(b"{}")
    for query in (
        "",
        "range=",
        "range=1h",
        "range=6h%22%20or%20up",
        "query=up",
        "range=6h&range=up",
        "range=15d;step=1",
    ):
        assert page.remembered(query, read) is None, query
    assert read.count == 0
    assert page.remembered("query=up&range=6h&step=1", read)


def test_one_that_is_away_is_not_waited_for() -> None:
    with pytest.raises(ProbeError, match="Connection refused"):
        past.asked(planned(free_port()), RANGES["6h"], NOW)


def test_one_that_hangs_is_waited_for_two_seconds(part: Observability) -> None:
    port = part.programs[PROMETHEUS].port
    (process,) = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port  # type: ignore[union-attr]
    }
    assert process
    os.kill(process, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(ProbeError, match="timed out"):
            past.asked(part, RANGES["15d"], NOW)
        assert 1.9 < time.monotonic() - begun < 10
    finally:
        os.kill(process, signal.SIGCONT)


def test_loaded_rules_are_compared_with_the_planned_ones(part: Observability) -> None:
    text = (layout.CHECKOUT / prometheus.RULES).read_text()
    loaded = prometheus.loaded_rules(prometheus.told(part, "rules")["groups"])
    wanted = prometheus.planned_rules(text)
    assert len(wanted) == text.count("- alert:") == 34
    assert list(prometheus.different(wanted, loaded)) == []
    other = text.replace("> 5e8", "> 6e8").replace("for: 30s", "for: 31s", 1)
    other = other.replace("alert: SiteDown", "alert: SiteAway")
    assert list(prometheus.different(prometheus.planned_rules(other), loaded)) == [
        "rule SiteAway is not loaded",
        "rule SiteDown is not planned",
        "rule ServerErrors is another",
        "rule TransactionIdsAge is another",
    ]


def test_an_answer_that_is_none_is_an_error(part: Observability) -> None:
    with pytest.raises(ProbeError, match="prometheus: "):
        prometheus.told(part, "query", {"query": "up{"})
