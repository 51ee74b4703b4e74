"""Metrics, their samples, and the families that prometheus_client writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from prometheus_client import core

PREFIX = "pgstack_"
LANE = "lane"
"""last label of what web processes measure; what is in no lane is written without it"""


@dataclass(frozen=True)
class Metric:
    """One metric: its whole name, with its unit, and what it means."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()

    def of(self, value: Any, *labels: str) -> Iterator[Sample]:
        """Its sample; none where the value is not known."""
        if value is not None:
            yield Sample(self, labels, float(value))


@dataclass(frozen=True)
class Counts:
    """A histogram: how many values fell into each bucket, the last one being above every bound, and
    their sum."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum: float

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus counts them: each bucket includes all smaller ones."""
        bounds = [*map(str, self.bounds), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


@dataclass(frozen=True)
class Sample:
    """A value of a metric."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Counts


CATALOGUE: list[Metric] = []
"""all metrics, in the order in which modules declare them"""


def gauge(name: str, meaning: str, *labels: str) -> Metric:
    """Declare a value that may rise and fall."""
    return _declare(Metric(PREFIX + name, "gauge", meaning, labels))


def counter(name: str, meaning: str, *labels: str) -> Metric:
    """Declare a value that only rises, until its server restarts."""
    return _declare(Metric(f"{PREFIX}{name}_total", "counter", meaning, labels))


def histogram(name: str, meaning: str, *labels: str) -> Metric:
    """Declare a distribution of values over buckets."""
    return _declare(Metric(PREFIX + name, "histogram", meaning, labels))


def _declare(metric: Metric) -> Metric:
    CATALOGUE.append(metric)
    return metric


FAMILIES: dict[str, Any] = {
    "gauge": core.GaugeMetricFamily,
    "counter": core.CounterMetricFamily,
    "histogram": core.HistogramMetricFamily,
}


def families(samples: Iterable[Sample]) -> Iterator[core.Metric]:
    """A family for each metric that has samples."""
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in samples:
        by_metric.setdefault(sample.metric, []).append(sample)
    for metric, own in by_metric.items():
        yield _family(metric, own)


def _family(metric: Metric, samples: Sequence[Sample]) -> core.Metric:
    family = FAMILIES[metric.kind](metric.name, metric.meaning, labels=metric.labels)
    for sample in samples:
        value, labels = sample.value, sample.labels
        if metric.labels[-1:] == (LANE,) and not labels[-1]:
            labels = labels[:-1]  # to Prometheus, an empty label is none
        if isinstance(value, Counts):
            family.add_metric(labels, value.buckets(), value.sum)
        else:
            family.add_metric(labels, value)
    return family  # type: ignore[no-any-return]
