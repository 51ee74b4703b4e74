"""The web processes, by the files in which they measure (pgstack.serving.meter)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from pgstack.metrics.model import LANE, Counts, Metric, Sample, counter, gauge, histogram
from pgstack.serving import meter
from pgstack.serving.measured import Process
from pgstack.serving.meter import Histogram

RUNNING = gauge("wsgi_processes", "Web processes running.", LANE)
STARTS = counter("wsgi_process_starts", "Web processes started.", LANE)
BUSY = gauge("wsgi_busy_threads", "Request threads that are handling a request.", LANE)
HELD = counter(
    "wsgi_thread_seconds",
    "Time that request threads were busy. Its rate is the mean number of busy ones.",
    LANE,
)
RESPONSES = counter("wsgi_responses", "Responses, by class of status.", "class", LANE)
LATE = counter(
    "wsgi_late_requests", "Requests answered 504 because no thread was free in time.", LANE
)
QUEUE = histogram("wsgi_queue_seconds", "How long a request waited for a thread.", LANE)
APPLICATION = histogram(
    "wsgi_application_seconds",
    "How long the application worked on a request, database included.",
    LANE,
)
REQUEST = histogram(
    "wsgi_request_seconds",
    "How long a request took: its wait for a thread, and the application.",
    LANE,
)
DATABASE = histogram(
    "wsgi_database_seconds", "How much of a request was spent waiting for the database.", LANE
)
STATEMENTS = histogram("wsgi_statements", "SQL statements in a request.", LANE)
MEMORY = gauge(
    "wsgi_process_memory_bytes",
    "Memory of a web process that it shares with no other.",
    "process",
    LANE,
)
SINCE = gauge(
    "wsgi_process_start_timestamp_seconds", "When a web process started.", "process", LANE
)
SILENT = gauge(
    "wsgi_process_silent_seconds",
    "How long a web process has been silent: stopped, or a thread holds the interpreter lock.",
    "process",
    LANE,
)
HISTOGRAMS: dict[Metric, Histogram] = {
    QUEUE: meter.QUEUE,
    APPLICATION: meter.APPLICATION,
    DATABASE: meter.DATABASE,
    STATEMENTS: meter.STATEMENTS,
    REQUEST: meter.REQUEST,
}


def collect(given: Iterable[Process], now: float | None = None) -> Iterator[Sample]:
    """Samples of the files, of which those of ended processes count on."""
    by_lane: dict[str, list[Process]] = {"": []}
    for process in given:
        by_lane.setdefault(process.lane, []).append(process)
    for lane, processes in by_lane.items():
        yield from _living(lane, processes, time.time() if now is None else now)
        yield from _total(lane, processes)


def _living(lane: str, processes: Sequence[Process], now: float) -> Iterator[Sample]:
    living = [process for process in processes if process.lives]
    yield from RUNNING.of(len(living), lane)
    yield from BUSY.of(sum(process.cells[meter.BUSY] for process in living), lane)
    for process in living:
        yield from MEMORY.of(process.cells[meter.MEMORY], process.number, lane)
        yield from SINCE.of(process.cells[meter.SINCE], process.number, lane)
        yield from SILENT.of(max(0.0, now - process.cells[meter.SEEN]), process.number, lane)


def _total(lane: str, processes: Sequence[Process]) -> Iterator[Sample]:
    total = [sum(cells) for cells in zip(*(process.cells for process in processes), strict=True)]
    if not total:
        return
    yield from STARTS.of(total[meter.STARTS], lane)
    yield from HELD.of(total[meter.HELD], lane)
    yield from LATE.of(total[meter.LATE], lane)
    for place, name in enumerate(meter.CLASSES):
        yield from RESPONSES.of(total[meter.RESPONSES + place], name, lane)
    for metric, part in HISTOGRAMS.items():
        counts = tuple(total[part.first : part.sum])
        yield Sample(metric, (lane,), Counts(part.bounds, counts, total[part.sum]))
