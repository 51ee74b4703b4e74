"""Histograms of response times: what they keep, and that they are added."""

from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram
from loadtest.lab import histograms

from pgstack.errors import InputError


def recorded(*milliseconds: float) -> str:
    times = histograms.empty()
    for value in milliseconds:
        histograms.record(times, value * 1000)
    return histograms.encode(times)


def test_percentiles_are_in_milliseconds_to_three_digits() -> None:
    percentiles = histograms.percentiles(histograms.decode(recorded(*range(1, 1001))))
    assert percentiles is not None
    assert percentiles.p50 == pytest.approx(500, rel=0.001)
    assert percentiles.p95 == pytest.approx(950, rel=0.001)
    assert percentiles.p99 == pytest.approx(990, rel=0.001)
    assert percentiles.p999 == pytest.approx(999, rel=0.001)


def test_merging_adds_responses_and_averages_no_percentile() -> None:
    both = histograms.merge([recorded(*[1] * 90), recorded(*[100] * 10)])
    assert both.get_total_count() == 100
    assert histograms.percentile(both, 90) == pytest.approx(1, rel=0.001)
    assert histograms.percentile(both, 91) == pytest.approx(100, rel=0.001)


def test_encoding_keeps_the_counts() -> None:
    text = recorded(0.8, 0.8, 12.5)
    assert histograms.encode(histograms.decode(text)) == text
    assert histograms.merge([text]).get_count_at_value(800) == 2


def test_times_outside_the_range_count_as_its_ends() -> None:
    times = histograms.decode(recorded(0, 90_000))
    assert histograms.percentile(times, 1) == 0.001
    assert histograms.percentile(times, 100) == pytest.approx(60_000, rel=0.001)


def test_nothing_recorded_has_no_percentile() -> None:
    assert histograms.percentile(histograms.merge([]), 50) is None
    assert histograms.percentiles(histograms.empty()) is None
    assert histograms.distribution(histograms.empty()) == ()


def test_a_distribution_ends_at_the_slowest_response() -> None:
    points = histograms.distribution(histograms.decode(recorded(*[1] * 98, 7, 50)))
    assert points[0] == (1.0, 1.0)
    assert points[-1] == (100, pytest.approx(50, rel=0.001))
    at_99 = [ms for one_in, ms in points if one_in < 99]
    assert max(at_99) == pytest.approx(7, rel=0.001)
    assert len(points) == 41


def test_other_text_and_other_histograms_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be decoded"):
        histograms.decode("not one")
    coarse = HdrHistogram(1, 60_000_000, 2)
    with pytest.raises(
        InputError, match=r"range and digits are \(1, 60000000, 2\), not \(1, 60000000, 3\)"
    ):
        histograms.decode(coarse.encode().decode())
