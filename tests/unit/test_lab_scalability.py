"""The universal scalability law on data sets whose parameters are known."""

from __future__ import annotations

import pytest
from loadtest.lab.scalability import Fit, fit

# Worked out by hand from 100 N / (1 + 0.05 (N - 1) + 0.001 N (N - 1)).
BY_HAND = [
    (1, 100.0),
    (2, 190.114),
    (4, 344.234),
    (8, 568.990),
    (16, 804.020),
    (32, 903.444),
    (64, 782.205),
]

# A Sun SPARCcenter 2000 in SPEC SDM91; the fit below is the one that R's package `usl` 3.0
# publishes for it.
SPEC_SDM91 = [
    (1, 64.9),
    (18, 995.9),
    (36, 1652.4),
    (72, 1853.2),
    (108, 1828.9),
    (144, 1775.0),
    (216, 1702.2),
]


def test_fit_finds_the_parameters_that_points_were_made_from() -> None:
    curve = fit(BY_HAND)
    assert curve is not None
    assert curve.rate == pytest.approx(100, rel=1e-4)
    assert curve.sigma == pytest.approx(0.05, rel=1e-3)
    assert curve.kappa == pytest.approx(0.001, rel=1e-3)
    assert curve.peak == pytest.approx(30.82, abs=0.01)
    assert curve.ceiling == pytest.approx(903.80, abs=0.05)
    assert curve.r_squared == pytest.approx(1, abs=1e-6)


def test_fit_of_a_published_data_set() -> None:
    curve = fit(SPEC_SDM91)
    assert curve is not None
    assert curve.rate == pytest.approx(89.995, abs=0.001)
    assert curve.sigma == pytest.approx(0.02773, abs=0.00001)
    assert curve.kappa == pytest.approx(0.0001044, abs=0.0000001)
    assert curve.peak == pytest.approx(96.52, abs=0.01)
    assert curve.ceiling == pytest.approx(1884, abs=0.5)


def test_order_of_the_points_does_not_matter() -> None:
    curve = fit(BY_HAND[::-1])
    assert curve is not None
    assert curve.sigma == pytest.approx(0.05, rel=1e-3)


def test_what_never_falls_has_no_peak() -> None:
    assert Fit(100, 0.05, 0, 1).peak is None
    assert Fit(100, 0.05, 0, 1).ceiling == pytest.approx(2000)
    assert Fit(100, 0, 0, 1).ceiling is None
    linear = fit([(1, 100), (2, 200), (4, 400), (8, 800)])
    assert linear is not None
    assert linear.peak is None
    assert linear.at(16) == pytest.approx(1600, rel=0.001)


def test_what_does_not_grow_at_all_is_fitted_too() -> None:
    flat = fit([(1, 5), (2, 5), (4, 5), (8, 5)])
    assert flat is not None
    assert flat.at(4) == pytest.approx(5, rel=0.001)
    assert flat.peak is None or flat.peak >= 1


def test_too_few_points_are_not_fitted() -> None:
    assert fit([]) is None
    assert fit(BY_HAND[:3]) is None
    assert fit([(4, 300), (4, 310), (8, 500), (16, 600)]) is None
    assert fit([(1, 0), (2, 0), (4, 0), (8, 0)]) is None
