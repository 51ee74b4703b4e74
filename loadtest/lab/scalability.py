"""The universal scalability law (Gunther, "Guerrilla Capacity Planning", 2007), fitted to a
ladder."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit  # type: ignore[import-untyped]

FEWEST = 4
"""different numbers of users: one more than the law has parameters"""

Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

KAPPA_NOISE = 1e-9
"""a smaller kappa peaks above 30,000 users: not told apart from none"""


@dataclass(frozen=True)
class Fit:
    """X(N) = rate N / (1 + sigma (N - 1) + kappa N (N - 1))."""

    rate: float
    """lambda: requests/s of one user"""
    sigma: float
    """contention: the share of the work that queues for something"""
    kappa: float
    """coherency: what each pair of users costs"""
    r_squared: float

    def at(self, users: float) -> float:
        """Predicted requests/s with so many users."""
        return self.rate * users / (1 + self.sigma * (users - 1) + self.kappa * users * (users - 1))

    @property
    def peak(self) -> float | None:
        """Users with the highest predicted rate, sqrt((1 - sigma) / kappa); None when it never
        falls again."""
        if self.kappa < KAPPA_NOISE:
            return None
        return max(1.0, math.sqrt((1 - self.sigma) / self.kappa))

    @property
    def ceiling(self) -> float | None:
        """Highest predicted requests/s: at the peak, or what it nears without one. None when it
        grows for ever."""
        if self.peak is not None:
            return self.at(self.peak)
        return self.rate / self.sigma if self.sigma > 0 else None


def fit(points: Sequence[tuple[int, float]]) -> Fit | None:
    """The law through (users, requests/s); None with fewer than four different numbers of users, or
    no convergence."""
    if len({users for users, _ in points}) < FEWEST or all(rate <= 0 for _, rate in points):
        return None
    users, rates = np.array(sorted(points), dtype=float).T
    start = (rates[0] / users[0] or rates.max(), 0.1, 1e-4)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", OptimizeWarning
            )  # it is about the covariance, which is not used
            parameters, _ = curve_fit(
                _law,
                users,
                rates,
                p0=start,
                bounds=((0, 0, 0), (np.inf, 1, 1)),
                x_scale=start,
                max_nfev=10_000,
            )
    except RuntimeError:
        return None
    spread = float(((rates - rates.mean()) ** 2).sum())
    missed = float(((rates - _law(users, *parameters)) ** 2).sum())
    rate, sigma, kappa = (float(value) for value in parameters)
    return Fit(rate, sigma, kappa, 1 - missed / spread if spread else 1.0)


def _law(users: Values, rate: float, sigma: float, kappa: float) -> Values:
    return users * rate / (1 + sigma * (users - 1) + kappa * users * (users - 1))
