"""What two releases in turns have shown, as tables for docs/results.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loadtest.lab import gates, intervals
from loadtest.lab.costs import COMPONENTS, per_request
from loadtest.lab.intervals import Blocks, Estimate
from loadtest.lab.model import TWIN, Results, Trial

NONE = "–"


@dataclass(frozen=True)
class Way:
    """A strategy, or another way to ask, on a release."""

    name: str
    debian: int

    @property
    def shown(self) -> str:
        """The label of its trials."""
        twin = TWIN if self.name.endswith(TWIN) else ""
        return f"{self.strategy}, Debian {self.debian}{twin}"

    @property
    def strategy(self) -> str:
        """Without the mark of a twin."""
        return self.name.removesuffix(TWIN)


Pair = tuple[Way, Way]
"""what takes turns; ratios are the first ÷ the second"""
Figures = tuple[Blocks, Blocks]


def lines(results: Results, pairs: Sequence[Pair], limits: Sequence[Pair]) -> Iterator[str]:
    """Rates, CPU time of each kind of process, other ways to ask, and what does not count."""
    rows = [(pair, _trials(results, pair)) for pair in pairs]
    yield from _head("what takes turns", "r/s", "r/s of the second")
    for pair, trials in rows:
        yield _row(_title(pair), _figures(trials, intervals.rate), results.seed, ",.0f")
    for pair in limits:
        rounds = tuple(dict(enumerate(results.limits.get(way.shown, ()))) for way in pair)
        yield _row(_title(pair), (rounds[0], rounds[1]), results.seed, ",.0f")
    yield ""
    yield from _head("CPU-µs per request", "first", "second")
    for pair, trials in rows:
        for component, name in COMPONENTS.items():
            figures = _figures(trials, _cpu_of(component))
            if any(figures[0].values()) and any(figures[1].values()):
                yield _row(f"{_title(pair)}: {name}", figures, results.seed, ",.0f")
        yield _row(f"{_title(pair)}: sum", _figures(trials, _cpu), results.seed, ",.0f")
    yield ""
    twins = [trials for (first, _), trials in rows if first.name.endswith(TWIN)]
    for trials in twins:
        pair_ratio = intervals.ratio(*_figures(trials, intervals.rate), results.seed)
        for doubt in gates.pair(pair_ratio, results.blocks):
            yield f"Nothing is claimed: {doubt}."
    void = Counter(f"{trial.label}: {reason}" for trial in results.trials for reason in trial.void)
    yield f"{len(results.trials)} trials, {sum(map(bool, (t.void for t in results.trials)))} void."
    yield from (f"- {number} × {reason}" for reason, number in void.most_common())
    slow = [trial.slowness for trial in results.trials if trial.slowness is not None]
    if slow:
        yield (
            f"A fixed piece of work took {sum(slow) / len(slow):.2f} times as long as at its best, "
            f"{max(slow):.2f} times at worst."
        )


def _head(*names: str) -> Iterator[str]:
    yield f"| {' | '.join((*names, 'first ÷ second'))} |"
    yield f"|{' --- |' * (len(names) + 1)}"


def _row(title: str, figures: Figures, seed: int, form: str) -> str:
    means = [intervals.mean(blocks, seed) for blocks in figures]
    cells = [NONE if mean is None else format(mean.value, form) for mean in means]
    return f"| {title} | {' | '.join(cells)} | {ratio(intervals.ratio(*figures, seed))} |"


def ratio(estimate: Estimate | None) -> str:
    """1.013 [0.990, 1.040], or without an interval where there are too few blocks."""
    if estimate is None:
        return NONE
    if estimate.low is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _title(pair: Pair) -> str:
    first, second = pair
    if first.name.endswith(TWIN):
        return f"{second.shown}, again (A/A)"
    if first.debian == second.debian:
        return f"{first.name} ÷ {second.name}, Debian {first.debian}"
    return f"{first.name}, Debian {first.debian} ÷ {second.debian}"


def _trials(results: Results, pair: Pair) -> tuple[list[Trial], list[Trial]]:
    """Those of the two, which are companions."""
    first, second = (way.shown for way in pair)

    def those(label: str, beside: str, companion: bool) -> list[Trial]:
        wanted = (label, beside, companion)
        return [t for t in results.trials if (t.label, t.beside, t.companion) == wanted]

    return those(first, second, False), those(second, first, True)


def _figures(
    trials: tuple[list[Trial], list[Trial]], of: Callable[[Trial], float | None]
) -> Figures:
    first, second = ({trial.block: of(trial) for trial in side} for side in trials)
    return first, second


def _cpu(trial: Trial) -> float | None:
    """CPU-µs a request; None for a void trial."""
    return sum(per_request([trial]).values()) or None


def _cpu_of(component: str) -> Callable[[Trial], float | None]:
    return lambda trial: per_request([trial]).get(component) or None
