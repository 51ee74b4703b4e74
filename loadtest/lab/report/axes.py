"""Scales of a plot: where a value lies, and which values get a tick."""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `end`, linearly or by the
    logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of `value`; outside the range the nearest end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values within the range, about `most` of them."""
        return (
            _log_ticks(self.low, self.high, most)
            if self.log
            else _linear_ticks(self.low, self.high, most)
        )


def linear(highest: float, start: float, end: float) -> Scale:
    """From zero to a round value at or above `highest`."""
    step = _step(highest or 1.0, 5)
    return Scale(0.0, step * math.ceil((highest or 1.0) / step - 1e-9), start, end)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """From 1, 2 or 5 times a power of ten at or below `low` to one at or above `high`."""
    below = max(value for value in _round_values(low / 10, low * 1.0001))
    above = min(value for value in _round_values(high * 0.9999, high * 10) if value > below)
    return Scale(below, above, start, end, log=True)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    step = _step(high - low, most)
    return [round(low + number * step, 10) for number in range(int((high - low) / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    values = _round_values(low, high)
    tens = [value for value in values if _is_power_of_ten(value)]
    return values if len(values) <= most + 2 or len(tens) < 2 else tens


def _step(width: float, most: int) -> float:
    magnitude = 10.0 ** math.floor(math.log10(width / most))
    return next(step * magnitude for step in STEPS if step * magnitude >= width / most * (1 - 1e-9))


def _round_values(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = (factor * 10.0**exponent for exponent in exponents for factor in (1, 2, 5))
    return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]


def _is_power_of_ten(value: float) -> bool:
    return math.isclose(math.log10(value), round(math.log10(value)), abs_tol=1e-9)
