"""The trials of each strategy brought together: a row of the table, and curves over users and over
rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from loadtest.lab import costs, histograms, intervals, scalability
from loadtest.lab.histograms import Percentiles
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import HTTP, TWIN, Results, Trial


@dataclass(frozen=True)
class Row:
    """One label in the blocks. Latencies, CPU and backends are of its valid trials only; errors are
    of all.

    Those of the reference are of the trials beside its twin: what a reconnecting one has left to do
    when its turn is over, such as ending backends, falls into the turn after it.
    """

    label: str
    rate: Estimate | None
    """requests/s"""
    latency: Percentiles | None
    distribution: tuple[tuple[float, float], ...]
    """see histograms.distribution"""
    errors: int
    """failed and unanswered requests"""
    backends: int | None
    """most in any valid trial"""
    cpu: dict[str, float]
    """component → CPU microseconds per request"""
    ratio: Estimate | None
    """rate of the reference ÷ rate of this one, or the other way round (Results.gains); None for
    the reference"""
    void: dict[str, int]
    """why trials were left out → how many"""


@dataclass(frozen=True)
class Step:
    """One number of users of a ladder, over its rounds."""

    users: int
    rate: float | None
    """requests/s of the valid trials, None when all are void. What took turns with the reference is
    compared with it: the mean ratio, times the rate that the reference had in all steps"""
    seen: float
    """requests/s answered in all trials, valid or not"""
    latency: Percentiles | None
    """of the valid trials"""
    errors: int


@dataclass(frozen=True)
class Ladder:
    """Throughput over users of one strategy."""

    strategy: str
    steps: tuple[Step, ...]
    fit: scalability.Fit | None


@dataclass(frozen=True)
class Offered:
    """The open loops of one rate: what was asked for and how long it took. Void ones count only
    where all are."""

    rate: float
    """requests/s that arrived"""
    answered: float
    """requests/s"""
    errors: int
    corrected: Percentiles | None
    """from the intended time of sending, in milliseconds"""
    naive: Percentiles | None
    """from the real time of sending"""
    void: tuple[str, ...]


def row(results: Results, label: str) -> Row:
    """The block trials of `label` in one row of figures."""
    trials = [
        trial for trial in results.trials if trial.purpose == "block" and trial.label == label
    ]
    valid = [trial for trial in trials if not trial.void]
    if label == results.reference:
        valid = [trial for trial in valid if trial.beside == label + TWIN] or valid
    rates = intervals.rates(trials, label)
    ours, theirs = (
        intervals.relative(results.trials, name, results.reference)
        for name in (label, results.reference)
    )
    pair = (ours, theirs) if results.gains else (theirs, ours)
    times = histograms.merge(trial.latency for trial in valid)
    return Row(
        label,
        intervals.mean(rates, results.seed),
        histograms.percentiles(times),
        histograms.distribution(times),
        sum(trial.failures + trial.unanswered for trial in trials),
        max((trial.backends for trial in valid), default=None),
        costs.per_request(valid),
        None if label == results.reference else intervals.ratio(*pair, results.seed),
        dict(Counter(reason for trial in trials for reason in trial.void)),
    )


def ladders(results: Results) -> tuple[Ladder, ...]:
    """One for each strategy with a ladder, in the order of the report."""
    steps = [(t, _companion(results, at)) for at, t in enumerate(results.trials) if _of_ladder(t)]
    beside = [rate for _, other in steps if other and (rate := intervals.rate(other))]
    level = geometric_mean(beside) if beside else None
    of_strategies = []
    for strategy in labels(results):
        ours = [(trial, other) for trial, other in steps if trial.label == strategy]
        users = sorted({trial.load.users for trial, _ in ours})
        made = tuple(
            _step([pair for pair in ours if pair[0].load.users == count], level) for count in users
        )
        if made:
            fit = scalability.fit([(step.users, step.rate) for step in made if step.rate])
            of_strategies.append(Ladder(strategy, made, fit))
    return tuple(of_strategies)


def _of_ladder(trial: Trial) -> bool:
    return trial.purpose == "ladder" and not trial.companion


def _companion(results: Results, at: int) -> Trial | None:
    """The reference that took turns with a trial: the lab keeps it right behind."""
    after = results.trials[at + 1] if at + 1 < len(results.trials) else None
    return after if after and after.companion else None


def _step(pairs: Sequence[tuple[Trial, Trial | None]], level: float | None) -> Step:
    trials = [trial for trial, _ in pairs]
    valid = [trial for trial in trials if not trial.void]
    return Step(
        trials[0].load.users,
        _compared(pairs, level),
        _rate(trials) or 0.0,
        histograms.percentiles(histograms.merge(trial.latency for trial in valid)),
        sum(trial.failures + trial.unanswered for trial in trials),
    )


def _compared(pairs: Sequence[tuple[Trial, Trial | None]], level: float | None) -> float | None:
    """Requests/s of the valid trials; those beside a reference as the reference's share of
    `level`."""
    if level is None:
        return _rate([trial for trial, _ in pairs if not trial.void])
    rates = [
        (intervals.rate(trial), intervals.rate(other) if other else None) for trial, other in pairs
    ]
    shares = [rate / beside for rate, beside in rates if rate and beside]
    return level * geometric_mean(shares) if shares else None


def open_loops(results: Results) -> dict[str, tuple[Offered, ...]]:
    """Strategy → its open loops by rising rate; strategies without one are left out."""
    by_strategy: dict[str, tuple[Offered, ...]] = {}
    for strategy in labels(results):
        trials = [
            trial for trial in results.trials if trial.purpose == "open" and trial.label == strategy
        ]
        rates = sorted({trial.load.rate or 0.0 for trial in trials})
        if rates:
            by_strategy[strategy] = tuple(
                _offered(rate, [trial for trial in trials if trial.load.rate == rate])
                for rate in rates
            )
    return by_strategy


def alone(results: Results, strategy: str) -> HdrHistogram | None:
    """Response times of a single user, who waits for nobody; None where none was measured."""
    seen = [
        trial.latency
        for trial in results.trials
        if _of_ladder(trial) and (trial.label, trial.load.users, trial.void) == (strategy, 1, ())
    ]
    return histograms.merge(seen) if seen else None


def labels(results: Results) -> tuple[str, ...]:
    """The strategies that were measured, in the order of the report, without twins."""
    measured = dict.fromkeys(
        trial.label for trial in results.trials if not trial.label.endswith(TWIN)
    )
    return tuple(
        dict.fromkeys([name for name in results.strategies if name in measured] + list(measured))
    )


def _offered(rate: float, trials: Sequence[Trial]) -> Offered:
    valid = [trial for trial in trials if not trial.void]
    seen = valid or trials
    naive, corrected = (
        histograms.percentiles(histograms.merge(times))
        for times in (
            (trial.latency for trial in seen),
            (trial.corrected for trial in seen if trial.corrected),
        )
    )
    return Offered(
        rate,
        _rate(seen) or 0.0,
        sum(trial.failures + trial.unanswered for trial in trials),
        corrected,
        naive,
        () if valid else trials[0].void,
    )


def limit(results: Results, name: str) -> Estimate | None:
    """Rate of the page over HTTP ÷ that of another way to ask, over their rounds; None without
    both."""
    page, other = (dict(enumerate(results.limits.get(way, ()))) for way in (HTTP, name))
    return intervals.ratio(page, other, results.seed)


def capacity(results: Results, label: str) -> float | None:
    """Requests/s of the closed loops of `label`: the geometric mean of its blocks, else the best
    step of its ladder.

    None without a valid trial.
    """
    trials = _closed_loops(results, label)
    rates = [trial.requests / trial.seconds for trial in trials]
    if not rates:
        return None
    return geometric_mean(rates) if trials[0].purpose == "block" else max(rates)


def slowness(results: Results, label: str) -> float:
    """Mean slowness of the machine while `capacity` was measured; 1, the machine at its best, where
    nobody looked."""
    seen = [trial.slowness for trial in _closed_loops(results, label) if trial.slowness is not None]
    return fmean(seen) if seen else 1.0


def _closed_loops(results: Results, label: str) -> list[Trial]:
    """The valid ones that show a capacity: blocks, else steps of a ladder."""
    valid = [
        trial
        for trial in results.trials
        if trial.label == label and trial.requests and not trial.void
    ]
    blocks = [trial for trial in valid if trial.purpose == "block"]
    return blocks or [trial for trial in valid if trial.purpose == "ladder"]


def _rate(trials: Iterable[Trial]) -> float | None:
    answered = [(trial.requests, trial.seconds) for trial in trials]
    seconds = sum(second for _, second in answered)
    return sum(requests for requests, _ in answered) / seconds if seconds else None
