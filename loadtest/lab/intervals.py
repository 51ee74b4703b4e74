"""Ratios of rates and their intervals, from blocks in which both were measured."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from loadtest.lab.model import Trial

CONFIDENCE = 0.95
FEWEST = 3
"""blocks for an interval: two values say nothing about their spread"""
BOOTSTRAP = 10
"""blocks from which intervals are bootstrapped; resamples of fewer hardly differ
(docs/decisions/0004)"""
RESAMPLES = 9999

Sample = np.ndarray[tuple[int], np.dtype[np.float64]]
"""logarithms of rates or of ratios, one for each block"""

Blocks = Mapping[int, float | None]
"""block → requests/s, or its ratio to the reference's; None when its trial is void"""


@dataclass(frozen=True)
class Estimate:
    """A geometric mean over blocks with its 95 % interval; `low` and `high` are None when there are
    too few blocks."""

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
    """Requests/s of a label in each block, the mean where it was measured beside several others.

    None where every trial is void or nothing was answered.
    """
    by_block: dict[int, list[float]] = {}
    for trial in trials:
        if trial.purpose == "block" and trial.label == label:
            here = rate(trial)
            by_block.setdefault(trial.block, []).extend([] if here is None else [here])
    return {block: fmean(rates) if rates else None for block, rates in by_block.items()}


def relative(trials: Iterable[Trial], label: str, reference: str) -> dict[int, float | None]:
    """Rate of a label ÷ rate of the reference that took turns with it, in each block; None where
    either is void.

    The reference itself is 1 in each block.
    """
    ours: dict[int, float | None] = {}
    theirs: dict[int, float | None] = {}
    for trial in trials:
        if trial.purpose != "block":
            continue
        if trial.label == label:
            ours[trial.block] = rate(trial)
        elif trial.companion and trial.beside == label:
            theirs[trial.block] = rate(trial)
    if label == reference:
        return dict.fromkeys(ours, 1.0)
    pairs = {block: (here, theirs.get(block)) for block, here in ours.items()}
    return {
        block: here / beside if here and beside else None for block, (here, beside) in pairs.items()
    }


def rate(trial: Trial) -> float | None:
    """Requests/s of a trial; None when it is void or nothing was answered."""
    return trial.requests / trial.seconds if trial.requests and not trial.void else None


def ratio(numerator: Blocks, denominator: Blocks, seed: int) -> Estimate | None:
    """How many times the denominator fits into the numerator: the geometric mean of the blocks' own
    ratios.

    Both are rates, or both `relative` to the reference.

    Only blocks with both count; None when there is no such block.
    """
    both = [
        (numerator[block], denominator[block])
        for block in sorted(numerator.keys() & denominator.keys())
    ]
    logs = [math.log(above / below) for above, below in both if above and below]
    return _estimate(logs, seed, left_out=len(both) - len(logs))


def mean(blocks: Blocks, seed: int) -> Estimate | None:
    """The geometric mean of the blocks' rates; None without a valid one."""
    logs = [math.log(rate) for _, rate in sorted(blocks.items()) if rate]
    return _estimate(logs, seed, left_out=len(blocks) - len(logs))


def change(new: Blocks, old: Blocks, seed: int) -> Estimate | None:
    """New rate over old rate of two runs. Their blocks have nothing in common, so each is resampled
    on its own.

    `blocks` is the smaller number of blocks of the two; None when either has none.
    """
    samples = [
        np.log([rate for _, rate in sorted(blocks.items()) if rate]) for blocks in (new, old)
    ]
    fewest = min(len(sample) for sample in samples)
    if not fewest:
        return None
    left_out = len(new) + len(old) - sum(len(sample) for sample in samples)
    value = math.exp(samples[0].mean() - samples[1].mean())
    low, high = _interval(samples, seed) if fewest >= FEWEST else (None, None)
    return Estimate(value, low, high, fewest, left_out)


def _estimate(logs: Sequence[float], seed: int, left_out: int) -> Estimate | None:
    if not logs:
        return None
    low, high = _interval([np.array(logs)], seed) if len(logs) >= FEWEST else (None, None)
    return Estimate(math.exp(math.fsum(logs) / len(logs)), low, high, len(logs), left_out)


def _interval(samples: Sequence[Sample], seed: int) -> tuple[float, float]:
    """Interval of exp(mean of the first sample - mean of the second, if any)."""
    enough = min(len(sample) for sample in samples) >= BOOTSTRAP
    low, high = _bootstrap(samples, seed) if enough else _student(samples)
    return math.exp(low), math.exp(high)


def _student(samples: Sequence[Sample]) -> tuple[float, float]:
    """Student's t, with Welch's degrees of freedom for two samples: Welch, Biometrika 34 (1947)."""
    if not any(np.ptp(sample) for sample in samples):  # the same in all blocks
        middle = float(samples[0].mean()) - sum(float(sample.mean()) for sample in samples[1:])
        return middle, middle
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that values of a sample hardly differ
        if len(samples) == 1:
            test = stats.ttest_1samp(*samples, 0)
        else:
            test = stats.ttest_ind(*samples, equal_var=False)
    low, high = test.confidence_interval(CONFIDENCE)
    return float(low), float(high)


def _bootstrap(samples: Sequence[Sample], seed: int) -> tuple[float, float]:
    """Bias-corrected and accelerated (Efron 1987), for the level of `_expanded`.

    Where that is not defined, because all resamples fall on one side or are the same, the
    percentile interval, which then is defined.
    """

    def statistic(*resampled: Sample, axis: int = -1) -> object:
        means = [np.mean(sample, axis=axis) for sample in resampled]
        return means[0] - means[1] if len(means) > 1 else means[0]

    level = _expanded(min(len(sample) for sample in samples))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter(
                "ignore"
            )  # DegenerateDataWarning: the second method is its answer
            interval = stats.bootstrap(
                samples,
                statistic,
                n_resamples=RESAMPLES,
                confidence_level=level,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if math.isfinite(interval.low) and math.isfinite(interval.high):
            break
    return float(interval.low), float(interval.high)


def _expanded(size: int) -> float:
    """The level at which a bootstrap of `size` values holds the truth as often as CONFIDENCE says.

    Its spread lacks a factor of sqrt(n / (n - 1)), and it does not know that the spread itself was
    estimated (Student's t): Hesterberg, "What Teachers Should Know About the Bootstrap", The
    American Statistician 69 (2015).
    """
    quantile = stats.t.ppf(0.5 + CONFIDENCE / 2, size - 1) * math.sqrt(size / (size - 1))
    return float(2 * stats.norm.cdf(quantile) - 1)
