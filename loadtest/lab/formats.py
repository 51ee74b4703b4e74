"""Ratios as text."""

from __future__ import annotations

from loadtest.lab.intervals import Estimate


def times(value: float) -> str:
    """A ratio to three digits or two decimals: 14.2×, 0.97×."""
    return f"{digits(value)}×"


def digits(value: float) -> str:
    """A value with three digits: 142, 14.2, 1.42, 0.14."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def span(estimate: Estimate) -> str:
    """The interval, with a space before it; empty without one."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f" [{digits(estimate.low)}, {digits(estimate.high)}]"
