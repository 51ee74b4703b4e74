"""The pages of a project that were measured by themselves, each in a row of figures."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.lab import summary
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import Page, Results


@dataclass(frozen=True)
class PageRow:
    """One page. `gains` are of this stack over each strategy that took turns with it."""

    page: Page
    share: float
    """of the requests of the mix"""
    rate: Estimate | None
    """requests/s of this stack"""
    gains: dict[str, Estimate | None]
    opened: float | None
    """connections to PostgreSQL that this stack opened for each request"""
    void: dict[str, int]
    """why trials were left out → how many"""


def rows(results: Results) -> tuple[PageRow, ...]:
    """One for each page with a trial of its own, heaviest first."""
    weight = sum(page.weight for page in results.pages)
    measured = {trial.load.page for trial in results.trials}
    return tuple(
        _row(results.on(page.address), page, page.weight / weight)
        for page in results.pages
        if page.address in measured
    )


def _row(results: Results, page: Page, share: float) -> PageRow:
    made = {label: summary.row(results, label) for label in summary.labels(results)}
    own = made.pop(results.reference, None)
    ours = [t for t in results.trials if t.label == results.reference and not t.void]
    sent = sum(trial.sent for trial in ours)
    void: dict[str, int] = {}
    for row in (*made.values(), *([own] if own else [])):
        void |= {reason: void.get(reason, 0) + number for reason, number in row.void.items()}
    return PageRow(
        page,
        share,
        own.rate if own else None,
        {label: row.ratio for label, row in made.items()},
        sum(trial.sessions or 0 for trial in ours) / sent if sent else None,
        void,
    )
