"""Ratios of rates with intervals, on data whose answer is known."""

from __future__ import annotations

from typing import Any

import pytest
from loadtest.lab import intervals
from loadtest.lab.model import Trial

from fixtures.lab_results import trial

# ln 2 and ten deviations whose mean is 0 and whose standard deviation is 0.0149: Student's interval
# is then 2 × exp(±2.262 × 0.0149 / √10) = [1.979, 2.021], and a bootstrap of ten has to be about as
# wide.
AROUND_TWO = [1.9604, 1.9604, 1.9801, 1.9801, 2.0, 2.0, 2.0201, 2.0201, 2.0404, 2.0404]


def blocks(*rates: float | None) -> dict[int, float | None]:
    return dict(enumerate(rates))


def test_ratio_is_the_geometric_mean_of_the_blocks_own_ratios() -> None:
    interval = intervals.ratio(blocks(200, 800), blocks(100, 100), seed=1)
    assert interval is not None
    assert interval.value == pytest.approx(4.0)
    assert (interval.low, interval.high, interval.blocks) == (None, None, 2)


def test_drift_between_blocks_cancels() -> None:
    interval = intervals.ratio(blocks(1000, 500, 250, 100), blocks(100, 50, 25, 10), seed=1)
    assert interval is not None
    assert (interval.value, interval.low, interval.high) == pytest.approx((10.0, 10.0, 10.0))
    assert interval.contains(interval.value)


def test_interval_of_a_known_data_set() -> None:
    interval = intervals.ratio(blocks(*AROUND_TWO), blocks(*[1.0] * 10), seed=1)
    assert interval is not None
    assert interval.value == pytest.approx(2.0, abs=1e-4)
    assert interval.low == pytest.approx(1.979, abs=0.003)
    assert interval.high == pytest.approx(2.021, abs=0.003)


def test_interval_of_skewed_data_is_bias_corrected_and_accelerated() -> None:
    """Expected: BCa for a level of 98.29 % with 200,000 resamples; plain percentiles would give
    [1.036, 1.334]."""
    interval = intervals.mean(
        blocks(1.0, 1.01, 1.02, 1.03, 1.05, 1.08, 1.12, 1.2, 1.35, 1.8), seed=1
    )
    assert interval is not None
    assert interval.value == pytest.approx(1.1467, abs=1e-4)
    assert interval.low == pytest.approx(1.051, abs=0.004)
    assert interval.high == pytest.approx(1.419, abs=0.015)


def test_interval_of_few_blocks_is_students() -> None:
    """ln 2, 2.2 and 2.42 are 0.0953 apart: exp(ln 2.2 ± 4.303 × 0.0953 / √3)."""
    interval = intervals.mean(blocks(2, 2.2, 2.42), seed=1)
    assert interval is not None
    assert (interval.value, interval.low, interval.high) == pytest.approx(
        (2.2, 1.736, 2.788), abs=0.001
    )


def test_the_same_seed_gives_the_same_interval() -> None:
    once, again, other = (intervals.mean(blocks(*AROUND_TWO), seed) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_void_blocks_are_left_out_and_counted() -> None:
    interval = intervals.ratio(blocks(20, None, 20, 20, 20), blocks(10, 10, 10, None, 10), seed=1)
    assert interval is not None
    assert (interval.value, interval.blocks, interval.left_out) == (pytest.approx(2.0), 3, 2)


def test_a_block_that_only_one_of_the_pair_reached_is_not_counted() -> None:
    interval = intervals.ratio(blocks(20, 20), blocks(10), seed=1)
    assert interval is not None
    assert (interval.blocks, interval.left_out) == (1, 0)


def test_nothing_in_common_is_no_ratio() -> None:
    assert intervals.ratio(blocks(None, None), blocks(1, 1), seed=1) is None
    assert intervals.ratio({}, {}, seed=1) is None
    assert intervals.mean({}, seed=1) is None


def test_rates_are_of_valid_trials_in_blocks() -> None:
    trials = [
        trial("a", 0, 100),
        trial("a", 1, 120, void=("3 failed",)),
        trial("a", 2, 0),
        trial("b", 0, 50),
        trial("a", 0, 999, purpose="ladder"),
    ]
    assert intervals.rates(trials, "a") == {0: 100.0, 1: None, 2: None}


def beside(label: str, block: int, rate: float, **fields: Any) -> Trial:
    """The reference that took turns with `label`."""
    return trial("ref", block, rate, beside=label, companion=True, **fields)


def test_ratios_are_of_what_took_turns() -> None:
    trials = [
        trial("a", 0, 200, beside="ref"),
        beside("a", 0, 100),
        trial("a", 1, 100, beside="ref"),
        beside("a", 1, 50),
        trial("a", 2, 100, beside="ref"),
        beside("a", 2, 50, void=("3 failed",)),
        trial("b", 0, 300, beside="ref"),
        beside("b", 0, 900),
    ]
    assert intervals.relative(trials, "a", "ref") == {0: 2.0, 1: 2.0, 2: None}
    assert intervals.relative(trials, "ref", "ref") == {0: 1.0, 1: 1.0, 2: 1.0}
    assert intervals.rates(trials, "ref") == {0: 500.0, 1: 50.0, 2: None}


def test_change_looks_at_each_run_on_its_own() -> None:
    """Expected: Welch's interval of the difference of the logarithms' means."""
    interval = intervals.change(blocks(90, 92, 88, 90), blocks(100, 100, 101, 99, 100), seed=1)
    assert interval is not None
    assert interval.value == pytest.approx(0.9, abs=0.001)
    assert interval.low == pytest.approx(0.8755, abs=0.0005)
    assert interval.high == pytest.approx(0.9250, abs=0.0005)
    assert interval.blocks == 4
    assert intervals.change(blocks(90, 90), blocks(100, 100, 100), seed=1) == intervals.Estimate(
        pytest.approx(0.9), None, None, 2
    )
    assert intervals.change({}, blocks(100), seed=1) is None
