"""The page's lines and marks over a named range, as Prometheus remembers them
(STACK_OBSERVABILITY=full). A client can ask for a range by its name only, never for an
expression."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes import answers, prometheus
from pgstack.live.probes.exporter import HISTORY, RANGES, Range
from pgstack.metrics import lines
from pgstack.metrics.history import MERGED_SECONDS, Mark, short
from pgstack.planning.observability import Observability

QUERY_SECONDS, ANSWER_SECONDS, PASSED_SECONDS = 1.8, 2.0, 3.0
"""longest time that Prometheus may work on a query, and that its answer, or the container that asks
it, is waited for"""
KEPT_SECONDS, FAILED_SECONDS = 30.0, 5.0
"""for which an answer, or the failure to get one, is reused: many viewers cost as much as one"""
LEAST_WINDOW = 60
"""seconds, four scrapes: the shortest window that a rate is computed from"""
ALERT = "alert"
SOMEBODY_ACTS = 'severity=~"page|ticket"'
ALERTS = (
    f"max by (alertname) (max_over_time(ALERTS_FOR_STATE{{{SOMEBODY_ACTS}}}[{lines.WINDOW}])) "
    "and on (alertname) max by (alertname) "
    f'(max_over_time(ALERTS{{alertstate="firing"}}[{lines.WINDOW}]))'
)
"""when the condition of each firing alert began to hold; not of the watchdog, which always fires"""


class Past:
    """Answers by the name of a range, each cached for a moment."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read, self._lock = read, threading.Lock()
        self._kept: dict[str, tuple[float, bytes | ProbeError]] = {}

    def text(self, name: str) -> bytes:
        """As JSON; `name` is one of RANGES. Raises ProbeError."""
        with self._lock:
            until, said = self._kept.get(name, (0.0, b""))
            if time.monotonic() >= until:
                said = self._asked(name)
                seconds = FAILED_SECONDS if isinstance(said, ProbeError) else KEPT_SECONDS
                self._kept[name] = time.monotonic() + seconds, said
        if isinstance(said, ProbeError):
            raise ProbeError(str(said))
        return said

    def _asked(self, name: str) -> bytes | ProbeError:
        try:
            return self._read(name)
        except ProbeError as error:
            return error


def read(part: Observability | None, name: str) -> bytes:
    """Ask Prometheus, or its container if that has a network of its own. Raises ProbeError."""
    if part is None:
        raise ProbeError("STACK_OBSERVABILITY is not full: no Prometheus runs.")
    if not part.socket:
        return json.dumps(asked(part, RANGES[name], time.time())).encode()
    answer = answers.ask("history", part.socket, f"/{HISTORY}?range={name}", PASSED_SECONDS)
    if answer.status != 200:
        raise ProbeError("prometheus does not answer.")
    return answer.body


def asked(part: Observability, wanted: Range, now: float) -> dict[str, Any]:
    """Lines and marks of the range up to `now`, in seconds since 1970. Raises ProbeError."""
    end = int(now) // part.scrape_seconds * part.scrape_seconds
    times = range(end - wanted.seconds, end + 1, wanted.step)
    form = {
        "query": query(max(wanted.step, LEAST_WINDOW)),
        "start": str(times[0]),
        "end": str(times[-1]),
        "step": str(wanted.step),
        "timeout": str(QUERY_SECONDS),
    }
    answer = prometheus.told(part, "query_range", form, ANSWER_SECONDS)
    try:
        series = [(row["metric"], _points(row["values"])) for row in answer["result"]]
    except (KeyError, TypeError, ValueError):
        raise ProbeError("prometheus: an answer that nobody understands") from None
    points = {labels["line"]: values for labels, values in series if "line" in labels}
    marks = sorted(_marks(series, times[0]), key=lambda mark: mark.time)
    return {
        "step": wanted.step,
        "time": list(times),
        "lines": {name: _line(points.get(name, {}), times) for name in lines.NAMES},
        "marks": [asdict(mark) for mark in marks],
    }


def query(window: int) -> str:
    """All of it in one expression: the page's lines by name, and when each marked event happened.
    `window` is in seconds."""
    moments = {
        kind: f"max(max_over_time({metric.name}[{lines.WINDOW}]))"
        for kind, (metric, _) in lines.MOMENTS.items()
    }
    named = [("line", name, text) for name, text in lines.EXPRESSIONS.items()]
    named += [("mark", kind, text) for kind, text in {**moments, ALERT: ALERTS}.items()]
    parts = [f'label_replace({text}, "{label}", "{name}", "", "")' for label, name, text in named]
    return " or ".join(parts).replace(lines.WINDOW, f"{window}s")


def _points(values: list[tuple[float, str]]) -> dict[int, float]:
    return {int(at): float(value) for at, value in values}


def _line(values: dict[int, float], times: Iterable[int]) -> list[float | None]:
    return [short(values.get(at, math.nan)) for at in times]


def _marks(series: list[tuple[dict[str, str], dict[int, float]]], start: int) -> Iterator[Mark]:
    """A mark for each time within the range that is the value of a series."""
    for labels, values in series:
        kind, last = labels.get("mark"), start - MERGED_SECONDS
        if kind is None:
            continue
        text = labels["alertname"] if kind == ALERT else lines.MOMENTS[kind][1]
        for moment in values.values():
            if moment - last > MERGED_SECONDS:
                last = moment
                yield Mark(moment, kind, text)
