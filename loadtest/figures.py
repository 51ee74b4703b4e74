"""What a load test found: pure functions on counts and a histogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

OK, FAILED = 0, 1
LONGEST_US = 60_000_000  # a response time above a minute counts as a minute
BUSY_GENERATOR = 0.7  # of one core; above it the generator, not the stack, may be the limit


def histogram() -> HdrHistogram:
    """An empty histogram of response times in microseconds, three significant digits."""
    return HdrHistogram(1, LONGEST_US, 3)


@dataclass(frozen=True)
class Result:
    """One measured run. Times are in milliseconds, `generator` is the share of one core that Locust used."""

    requests: int
    failures: int
    seconds: float
    p50: float
    p99: float
    generator: float
    reasons: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Answered requests per second; failed ones do not count."""
        return (self.requests - self.failures) / self.seconds


def percentile(times: HdrHistogram, percent: float) -> float:
    """Response time in milliseconds that `percent` of the requests did not exceed; 0 for an empty histogram."""
    return float(times.get_value_at_percentile(percent)) / 1000 if times.get_total_count() else 0.0


def verdict(result: Result) -> int:
    """Exit status: FAILED when nothing was answered or any request failed."""
    return FAILED if result.failures or not result.requests else OK


def ratios(rates: Mapping[str, float], of: str) -> dict[str, float | None]:
    """How many times the rate of each other name fits into that of `of`; None where it is zero."""
    return {name: rates[of] / rate if rate else None for name, rate in rates.items() if name != of}
