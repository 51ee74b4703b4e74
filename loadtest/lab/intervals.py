"""Ratios of rates and their intervals, from blocks in which both were measured."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from loadtest.lab.model import Trial

CONFIDENCE = 0.95
FEWEST = 3
"""blocks for an interval: two values say nothing about their spread"""
RESAMPLES = 9999

Blocks = Mapping[int, float | None]
"""block → requests/s; None when its trial is void"""


@dataclass(frozen=True)
class Estimate:
    """A geometric mean over blocks with its 95 % interval; `low` and `high` are None when there are too few blocks."""

    value: float
    low: float | None
    high: float | None
    blocks: int
    left_out: int = 0
    """blocks that were measured and do not count, because a trial in them is void"""

    def contains(self, value: float) -> bool:
        """Whether `value` lies in the interval; False without one."""
        return self.low is not None and self.high is not None and self.low <= value <= self.high


def rates(trials: Iterable[Trial], label: str) -> dict[int, float | None]:
    """Requests/s of a label in each block; None where the trial is void or nothing was answered."""
    return {
        trial.block: trial.requests / trial.seconds if trial.requests and not trial.void else None
        for trial in trials
        if trial.purpose == "block" and trial.label == label
    }


def ratio(numerator: Blocks, denominator: Blocks, seed: int) -> Estimate | None:
    """How many times the denominator fits into the numerator: the geometric mean of the blocks' own ratios.

    Only blocks with both count; None when there is no such block.
    """
    both = [(numerator[block], denominator[block]) for block in sorted(numerator.keys() & denominator.keys())]
    logs = [math.log(above / below) for above, below in both if above and below]
    return _estimate(logs, seed, left_out=len(both) - len(logs))


def mean(blocks: Blocks, seed: int) -> Estimate | None:
    """The geometric mean of the blocks' rates; None without a valid one."""
    logs = [math.log(rate) for _, rate in sorted(blocks.items()) if rate]
    return _estimate(logs, seed, left_out=len(blocks) - len(logs))


def change(new: Blocks, old: Blocks, seed: int) -> Estimate | None:
    """New rate over old rate of two runs. Their blocks have nothing in common, so each is resampled on its own.

    `blocks` is the smaller number of blocks of the two; None when either has none.
    """
    samples = [np.log([rate for _, rate in sorted(blocks.items()) if rate]) for blocks in (new, old)]
    fewest = min(len(sample) for sample in samples)
    if not fewest:
        return None
    left_out = len(new) + len(old) - sum(len(sample) for sample in samples)
    value = math.exp(samples[0].mean() - samples[1].mean())
    low, high = _bootstrap(samples, seed) if fewest >= FEWEST else (None, None)
    return Estimate(value, low, high, fewest, left_out)


def _estimate(logs: Sequence[float], seed: int, left_out: int) -> Estimate | None:
    if not logs:
        return None
    low, high = _bootstrap([np.array(logs)], seed) if len(logs) >= FEWEST else (None, None)
    return Estimate(math.exp(math.fsum(logs) / len(logs)), low, high, len(logs), left_out)


def _bootstrap(samples: Sequence[np.ndarray[tuple[int], np.dtype[np.float64]]], seed: int) -> tuple[float, float]:
    """Interval of exp(mean of the first sample - mean of the second, if any).

    Bias-corrected and accelerated, Efron 1987. Where that is not defined, because all resamples fall on one side or
    are the same, the percentile interval, which then is defined.
    """

    def statistic(*resampled: np.ndarray[tuple[int], np.dtype[np.float64]], axis: int = -1) -> object:
        means = [np.mean(sample, axis=axis) for sample in resampled]
        return means[0] - means[1] if len(means) > 1 else means[0]

    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # DegenerateDataWarning: the second method is its answer
            found = stats.bootstrap(
                samples, statistic, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval  # fmt: skip
        if math.isfinite(found.low) and math.isfinite(found.high):
            break
    return math.exp(found.low), math.exp(found.high)
