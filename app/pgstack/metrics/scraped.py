"""Reads a scrape of the exporter back into samples."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pgstack.errors import ProbeError
from pgstack.metrics import exporter
from pgstack.metrics.model import LANE, Counts, Metric, Sample
from pgstack.metrics.reading import Reading


def reading(text: str, now: float | None = None) -> Reading:
    """The reading of a scrape. Raises ProbeError for text that no exporter of this version
    writes."""
    try:
        return Reading(samples(text), time.time() if now is None else now)
    except (ValueError, LookupError) as error:
        raise ProbeError(f"exporter: it says what nobody understands: {error}") from None


def samples(text: str) -> Iterator[Sample]:
    """Samples of the metrics that are known here."""
    known = {metric.name.removesuffix("_total"): metric for metric in exporter.declared()}
    for family in text_string_to_metric_families(text):
        metric = known.get(family.name)
        if metric and metric.kind == "histogram":
            yield from _histograms(metric, family.samples)
        elif metric:
            for sample in filter(_is_a_number, family.samples):
                yield Sample(metric, _labels(metric, sample), sample.value)


def _is_a_number(sample: Any) -> bool:
    return math.isfinite(sample.value)


def _labels(metric: Metric, sample: Any) -> tuple[str, ...]:
    """In the metric's order; what is in no lane has no such label."""
    given = {LANE: "", **sample.labels}
    return tuple(given[name] for name in metric.labels)


def _histograms(metric: Metric, parts: list[Any]) -> Iterator[Sample]:
    for labels in dict.fromkeys(_labels(metric, part) for part in parts):
        own = [part for part in parts if _labels(metric, part) == labels]
        yield Sample(metric, labels, _counts(own))


def _counts(parts: list[Any]) -> Counts:
    """A scrape's buckets include all smaller ones."""
    buckets = [(part.labels["le"], part.value) for part in parts if part.name.endswith("_bucket")]
    total = next((part.value for part in parts if part.name.endswith("_sum")), 0.0)
    counts = [later - before for before, later in pairwise([0.0, *(count for _, count in buckets)])]
    bounds = tuple(float(bound) for bound, _ in buckets[:-1])
    return Counts(bounds, tuple(counts), total)
