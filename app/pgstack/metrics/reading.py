"""One scrape, to be asked by metric; and what several say of the time between them."""

from __future__ import annotations

from collections.abc import Iterable

from pgstack.metrics.model import Counts, Metric, Sample

Found = dict[tuple[str, ...], float | Counts]


class Reading:
    """What the sources said at a time, in seconds since 1970."""

    def __init__(self, samples: Iterable[Sample], time: float) -> None:
        self.time = time
        self._found: dict[Metric, Found] = {}
        for sample in samples:
            self._found.setdefault(sample.metric, {})[sample.labels] = sample.value

    def only(self, metrics: Iterable[Metric]) -> Reading:
        """The same with these alone: what is kept for minutes."""
        reading = Reading((), self.time)
        reading._found = {name: self._found[name] for name in metrics if name in self._found}
        return reading

    def filled(self, older: Reading) -> Reading:
        """The same, completed by metrics that only the older one has."""
        reading = Reading((), self.time)
        reading._found = older._found | self._found
        return reading

    def has(self, metric: Metric) -> bool:
        """Whether any source reported it."""
        return metric in self._found

    def value(self, metric: Metric, *labels: str) -> float | None:
        """The value of a sample; None if no source reported it."""
        value = self._found.get(metric, {}).get(labels)
        return None if isinstance(value, Counts) else value

    def counts(self, metric: Metric, **wanted: str) -> Counts | None:
        """The counts of a histogram: the sum of its samples with these labels."""
        parts = [
            value
            for labels, value in self._found.get(metric, {}).items()
            if isinstance(value, Counts) and _has(metric, labels, wanted)
        ]
        if not parts:
            return None
        counts = zip(*(part.counts for part in parts), strict=True)
        return Counts(parts[0].bounds, tuple(map(sum, counts)), sum(part.sum for part in parts))

    def total(self, metric: Metric, **wanted: str) -> float | None:
        """Sum of its samples with these labels."""
        values = [
            value
            for labels, value in self._found.get(metric, {}).items()
            if not isinstance(value, Counts) and _has(metric, labels, wanted)
        ]
        return sum(values) if values else None

    def labels(self, metric: Metric) -> list[tuple[str, ...]]:
        """The label values of its samples."""
        return list(self._found.get(metric, {}))

    def largest(self, metric: Metric) -> float | None:
        """The largest of its samples."""
        values = [v for v in self._found.get(metric, {}).values() if not isinstance(v, Counts)]
        return max(values, default=None)


def _has(metric: Metric, labels: tuple[str, ...], wanted: dict[str, str]) -> bool:
    own = dict(zip(metric.labels, labels, strict=True))
    return all(own[name] == value for name, value in wanted.items())


class Between:
    """Two readings, the earlier one first. A counter that fell was reset: its rise is unknown."""

    def __init__(self, before: Reading, now: Reading) -> None:
        self.before, self.now = before, now
        self.seconds = max(now.time - before.time, 0.001)

    def rise(self, metric: Metric, **wanted: str) -> float | None:
        """How much a counter rose."""
        before, now = self.before.total(metric, **wanted), self.now.total(metric, **wanted)
        return None if before is None or now is None or now < before else now - before

    def rate(self, metric: Metric, **wanted: str) -> float | None:
        """How much a counter rose per second."""
        rise = self.rise(metric, **wanted)
        return None if rise is None else rise / self.seconds

    def sum_rate(self, metric: Metric) -> float | None:
        """How much a histogram's sum rose per second."""
        new = self.new(metric)
        return None if new is None else new.sum / self.seconds

    def new(self, metric: Metric, **wanted: str) -> Counts | None:
        """What a histogram counted between the two readings."""
        before, now = self.before.counts(metric, **wanted), self.now.counts(metric, **wanted)
        if before is None or now is None:
            return None
        counts = tuple(b - a for a, b in zip(before.counts, now.counts, strict=True))
        if min(counts) < 0:
            return None
        return Counts(now.bounds, counts, now.sum - before.sum)

    def quantile(self, metric: Metric, share: float, **wanted: str) -> float | None:
        """A quantile of what a histogram counted between the two, as Prometheus' histogram_quantile
        computes it; None if that is nothing."""
        new = self.new(metric, **wanted)
        return quantile(new, share) if new else None


def quantile(histogram: Counts, share: float) -> float | None:
    """Linear within a bucket; above the last bound it is that bound."""
    left = share * sum(histogram.counts)
    if not left:
        return None
    lower = 0.0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        if left <= count:
            return lower + (bound - lower) * left / count
        left, lower = left - count, bound
    return lower
