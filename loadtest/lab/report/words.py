"""Figures as text, the same in every output; a dash where there is none."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from loadtest.lab import summary
from loadtest.lab.analysis import Analysis
from loadtest.lab.formats import digits, span, times
from loadtest.lab.gates import FULL_BLOCKS
from loadtest.lab.goals import Judged
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import HTTP, TWIN, Results, Trial
from loadtest.lab.page_rows import PageRow
from loadtest.lab.summary import Step

NONE = "–"
FAILURES_SHOWN = 5
NOUNS = {
    "strategies": "strategy",
    "servers": "server",
    "pages": "page",
    "scaling": "strategy",
    "tuning": "change",
    "project": "strategy",
    "against": "checkout",
    "host": "host",
}
"""suite → what one of its labels is"""
TWIN_SHOWN = "the same, again (A/A)"


def shown_label(label: str) -> str:
    """A strategy by its name, the twin of the reference as what it is."""
    return TWIN_SHOWN if label.endswith(TWIN) else label


def noun(results: Results) -> str:
    """What a label of this run is: a strategy, a server, a page."""
    return NOUNS[results.suite]


def compared(results: Results) -> tuple[str, str]:
    """What a ratio of this run divides by what: (numerator, denominator)."""
    each = f"each {noun(results)}"
    return (each, results.reference) if results.gains else (results.reference, each)


def load(results: Results) -> str:
    """What was asked for and how often."""
    asked = "" if results.suite == "pages" else f"{results.page}, "
    rounds = f", {results.blocks} block{'s' if results.blocks > 1 else ''} of {results.seconds:g} s"
    return f"{asked}{results.users} users{rounds}"


def trial(made: Trial) -> str:
    """One trial in a few words."""
    if made.void:
        return f"void: {made.void[0]}"
    offered = f" of {made.load.rate:,.0f} offered" if made.load.rate else ""
    return f"{rate(made.requests / made.seconds)} requests/s{offered}"


def trials(made: Sequence[Trial]) -> str:
    """A trial, and the one beside it, in a few words."""
    beside = "".join(f" beside {trial(other)}" for other in made[1:])
    return f"{trial(made[0])}{beside}"


def failures(results: Results) -> list[str]:
    """The most frequent failures of the run."""
    counted: Counter[tuple[str, str]] = Counter()
    for made in results.trials:
        counted.update({(made.label, reason): number for reason, number in made.reasons.items()})
    return [
        f"{label}: {number} × {reason}"
        for (label, reason), number in counted.most_common(FAILURES_SHOWN)
    ]


def rate(value: float | None) -> str:
    """Requests/s in words: 2,150."""
    return NONE if value is None else f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    """Milliseconds with three digits: 123, 12.3 or 1.23."""
    return NONE if value is None else digits(value)


def ratio(estimate: Estimate | None) -> str:
    """A ratio with its interval: 14.2× [13.6, 14.9]."""
    return NONE if estimate is None else times(estimate.value) + span(estimate)


def count(value: int | None) -> str:
    """A number of things, with thousands set apart."""
    return NONE if value is None else f"{value:,}"


def step(made: Step | None, *, wide: bool) -> str:
    """Requests/s of a step of a ladder; "fails" where requests failed, nothing where none was
    made."""
    if made is None:
        return ""
    if made.rate is None:
        return "fails" if made.errors else NONE
    return rate(made.rate) if wide else f"{made.rate:.0f}"


def bound(judged: Judged) -> str:
    """What a goal asks for: ≥ 12 or ≤ 4."""
    return f"{'≤' if judged.goal.most else '≥'} {judged.goal.bound:g}"


def measured(judged: Judged) -> str:
    """What a goal is judged by, with three decimals near one, where they decide."""
    estimate = judged.measured
    return precise(estimate) if estimate and estimate.value < 2 else ratio(estimate)


@dataclass(frozen=True)
class Shown:
    """A table as text."""

    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def pages(analysis: Analysis) -> Shown:
    """The pages of a project that were measured by themselves."""
    against = tuple(dict.fromkeys(label for row in analysis.pages for label in row.gains))
    headings = ("page", "of all", "queries", "DB ms", "connections", "r/s")
    return Shown(
        (*headings, *(f"gain over {label}" for label in against)),
        tuple(_page(row, against) for row in analysis.pages),
    )


def _page(row: PageRow, against: Sequence[str]) -> tuple[str, ...]:
    page = row.page
    connections = f"{_plain(page.connections)} → {_plain(row.opened)}"
    return (
        f"{page.address}{' (writes)' if page.writes else ''}",
        f"{row.share:.0%}",
        _plain(page.queries),
        milliseconds(page.database_ms),
        connections,
        rate(row.rate.value if row.rate else None),
        *(ratio(row.gains.get(label)) for label in against),
    )


def _plain(value: float | None) -> str:
    """A number without needless decimals."""
    return NONE if value is None else f"{round(value, 2):g}"


def limits(results: Results) -> list[tuple[str, str, str]]:
    """(way to ask, its requests/s, the page over HTTP ÷ it) for each limit."""
    return [
        (
            name,
            rate(geometric_mean(figures)),
            "" if name == HTTP else ratio(summary.limit(results, name)),
        )
        for name, figures in results.limits.items()
    ]


def validity(analysis: Analysis) -> list[str]:
    """What limits the claims of a run, the gravest first; the headline has its doubts."""
    results = analysis.results
    sentences = []
    if analysis.pair and not analysis.doubts:
        sentences.append(
            f"The A/A pair, one {noun(results)} under two names, gives {precise(analysis.pair)}."
        )
    sentences.append(_void(results))
    if slow := [trial.slowness for trial in results.trials if trial.slowness is not None]:
        sentences.append(
            f"A fixed piece of work took {fmean(slow):.2f} times as long during the trials as at "
            f"its best,"
            f" {max(slow):.2f} times in the worst: what other users of this processor took."
        )
    if results.made < results.intended:
        more = "" if results.suite == "host" else f" {resume(results)} goes on."
        sentences.append(
            f"The run was interrupted: {results.made} of {results.intended} trials.{more}"
        )
    if results.covered < 1:
        sentences.append(
            f"The pages are {results.covered:.0%} of the GETs for pages in {results.asked['LOG']}."
        )
    if writing := [page.address for page in results.pages if page.writes]:
        sentences.append(f"These pages write into the database: {', '.join(writing)}.")
    sentences += [
        f"{row.page.address}, {number} void by itself: {reason}."
        for row in analysis.pages
        for reason, number in row.void.items()
    ]
    if paced := results.asked.get("MAX_RATE"):
        sentences.append(
            f"All was paced to MAX_RATE={paced}: a rate near it is not the capacity of the host."
        )
    if analysis.rows and results.blocks < FULL_BLOCKS:
        blocks = f"{results.blocks} block{'s' if results.blocks > 1 else ''}"
        sentences.append(
            f"Intervals are Student's t of {blocks}; FULL=1 makes {FULL_BLOCKS} or more."
        )
    if set(results.machine.stack_cores) & set(results.machine.generator_cores):
        sentences.append(
            "The generator and the stack share cores: the rates are lower than the stack's own."
        )
    return sentences


def resume(results: Results) -> str:
    """Inputs that go on with an interrupted run."""
    against = f" AGAINST={results.reference}" if results.suite == "against" else ""
    return f"RESUME=1{against}"


def _void(results: Results) -> str:
    trials = len(results.trials)
    void = sum(1 for trial in results.trials if trial.void)
    if not void:
        return f"All {trials} trials are valid."
    again = sum(1 for trial in results.trials if not trial.companion) - results.made
    repeated = f" Made again, as the machine was slow meanwhile: {again}." if again else ""
    return f"{void} of {trials} trials are void.{repeated}"


def precise(estimate: Estimate) -> str:
    """A ratio near one, to three decimals."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def repeat(analysis: Analysis) -> str:
    """The command that makes this run again."""
    given = (f"{name}={shlex.quote(value)}" for name, value in analysis.results.asked.items())
    return " ".join(("make loadtest", *given))
