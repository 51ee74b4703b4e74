"""Response times as HdrHistograms: recorded in microseconds, merged by adding, read in
milliseconds.

Percentiles are read from one histogram; they are never averaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from pgstack.errors import InputError

SHORTEST_US, LONGEST_US, DIGITS = 1, 60_000_000, 3
US_PER_MS = 1000
POINTS_PER_DECADE = 20
"""of a distribution: enough for a smooth curve"""


@dataclass(frozen=True)
class Percentiles:
    """Response times in milliseconds that 50, 95, 99 and 99.9 % of the requests did not exceed."""

    p50: float
    p95: float
    p99: float
    p999: float


def empty() -> HdrHistogram:
    """A histogram of response times in microseconds, 1 µs to 1 minute, three significant digits."""
    return HdrHistogram(SHORTEST_US, LONGEST_US, DIGITS)


def record(times: HdrHistogram, microseconds: float) -> None:
    """Count one response; outside the range of the histogram it counts as the nearest end."""
    times.record_value(min(max(round(microseconds), SHORTEST_US), LONGEST_US))


def encode(times: HdrHistogram) -> str:
    """Compressed and base64-coded, as other HdrHistogram tools read it too."""
    return bytes(times.encode()).decode("ascii")


def decode(text: str) -> HdrHistogram:
    """The histogram in `text`. Raises InputError when it is none, or one with another range or
    precision."""
    try:
        times = HdrHistogram.decode(text.encode("ascii"))
    except Exception as error:  # the library raises whatever base64, zlib or ctypes raise
        raise InputError(
            f"histogram {text[:12]}…: cannot be decoded ({error}). Measure again."
        ) from error
    shape = (times.lowest_trackable_value, times.highest_trackable_value, times.significant_figures)
    if shape != (SHORTEST_US, LONGEST_US, DIGITS):
        raise InputError(
            f"histogram {text[:12]}…: range and digits are {shape}, not "
            f"{(SHORTEST_US, LONGEST_US, DIGITS)}."
            " Measure again."
        )
    return times


def merge(texts: Iterable[str]) -> HdrHistogram:
    """The sum of encoded histograms: as if all their responses had been recorded in one."""
    total = empty()
    for text in texts:
        total.add(decode(text))
    return total


def percentile(times: HdrHistogram, percent: float) -> float | None:
    """Milliseconds that `percent` of the responses did not exceed; None without a response."""
    return (
        float(times.get_value_at_percentile(percent)) / US_PER_MS
        if times.get_total_count()
        else None
    )


def percentiles(times: HdrHistogram) -> Percentiles | None:
    """The four that a table shows; None without a response."""
    if not times.get_total_count():
        return None
    values = times.get_percentile_to_value_dict([50, 95, 99, 99.9])
    return Percentiles(*(values[percent] / US_PER_MS for percent in (50, 95, 99, 99.9)))


def distribution(times: HdrHistogram) -> tuple[tuple[float, float], ...]:
    """Points of the percentile plot: (one response in x is slower, milliseconds), evenly spaced in
    log x.

    x = 1 is the fastest response, 10 the 90th percentile, 100 the 99th; it ends at the slowest
    response.
    """
    total = times.get_total_count()
    one_in = [1.0]
    while one_in[-1] < total:
        one_in.append(min(10 ** (len(one_in) / POINTS_PER_DECADE), total))
    percents = [*(100 * (1 - 1 / x) for x in one_in[:-1]), 100.0]
    values = times.get_percentile_to_value_dict(percents) if total else {}
    return tuple(
        (x, values[p] / US_PER_MS) for x, p in zip(one_in, percents, strict=True) if p in values
    )
