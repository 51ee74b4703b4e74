"""A queue by simulation, beside what theory says of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from loadtest.lab import histograms, queueing

EXPONENTIAL = tuple(-math.log(1 - (at + 0.5) / 1000) for at in range(1000))
"""service times of 1 ms on the mean"""


@pytest.mark.parametrize("rate", [300.0, 700.0])
def test_one_server_with_exponential_times_has_exponential_responses(rate: float) -> None:
    for percent in (50, 99):
        expected = -math.log(1 - percent / 100) / (1000 - rate) * 1000
        simulated = queueing.percentile(percent, rate, 1, EXPONENTIAL)
        assert simulated == pytest.approx(expected, rel=0.03)


def longer(share: float, tail: Callable[[float], float]) -> float:
    """The time that this share of the responses exceeds."""
    low, high = 0.0, 30.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > share else (low, middle)
    return low


@pytest.mark.parametrize("percent", [50, 99])
def test_even_service_times_have_a_tail_of_their_own(percent: int) -> None:
    """A. K. Erlang 1909: who waits how long for one server that takes 1 ms, at a load of 0.7."""

    def tail(time: float) -> float:
        waits = time - 1
        if waits < 0:
            return 1.0
        terms = (
            (0.7 * (k - waits)) ** k / math.factorial(k) * math.exp(-0.7 * (k - waits))
            for k in range(int(waits) + 1)
        )
        return 1 - 0.3 * sum(terms)

    expected = longer(1 - percent / 100, tail)
    assert queueing.percentile(percent, 700, 1, (1.0,)) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("percent", [50, 99])
def test_two_servers_share_one_queue(percent: int) -> None:
    """A. K. Erlang 1917: two servers with exponential times of 1 ms, at a load of 0.7 each."""
    waits = 0.98 / 0.3 / (1 + 1.4 + 0.98 / 0.3)

    def tail(time: float) -> float:
        return math.exp(-time) * (1 + waits * (1 - math.exp(0.4 * time)) / -0.4)

    expected = longer(1 - percent / 100, tail)
    assert queueing.percentile(percent, 1400, 2, EXPONENTIAL) == pytest.approx(expected, rel=0.03)


def test_what_keeps_no_server_is_added_to_each_response() -> None:
    without = queueing.percentile(99, 700, 1, (1.0,))
    assert queueing.percentile(99, 700, 1, (1.0,), 0.5) == without + 0.5


def test_service_times_have_the_shape_of_a_single_users_and_the_mean_of_the_capacity() -> None:
    alone = histograms.empty()
    for microseconds in (800, 1600):
        for _ in range(1000):
            histograms.record(alone, microseconds)
    times, fixed = queueing.service(alone, capacity=1000, servers=1)
    assert sum(times) / len(times) == pytest.approx(1.0)
    assert max(times) / min(times) == pytest.approx(2, rel=0.01)
    assert fixed == pytest.approx(0.2, abs=0.01)
    times, fixed = queueing.service(alone, capacity=1000, servers=2)
    assert (sum(times) / len(times), fixed) == (pytest.approx(2.0), 0)
