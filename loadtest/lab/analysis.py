"""Everything that a report says, from the records of a run."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.lab import costs, gates, goals, summary
from loadtest.lab.costs import DIRECT, Connect
from loadtest.lab.formats import span, times
from loadtest.lab.goals import Judged
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import TWIN, Results
from loadtest.lab.summary import Ladder, Offered, Row

OK, FAILED = 0, 1
OUT_OF_THE_BOX = "reconnect-tcp"


@dataclass(frozen=True)
class Analysis:
    """What a run found. `doubts` says why it claims nothing; empty when the A/A pair holds or there is none to hold."""

    results: Results
    rows: tuple[Row, ...]
    """one for each strategy with a trial in a block, in the order of the report"""
    twin: Row | None
    """the reference under its second name"""
    doubts: tuple[str, ...]
    ladders: tuple[Ladder, ...]
    open_loops: dict[str, tuple[Offered, ...]]
    connects: tuple[Connect, ...]
    goals: tuple[Judged, ...]

    @property
    def pair(self) -> Estimate | None:
        """Rate of the reference ÷ rate of its twin."""
        return self.twin.ratio if self.twin else None

    def row(self, label: str) -> Row | None:
        """The row of a strategy; None when it has none."""
        return next((row for row in self.rows if row.label == label), None)


def analyse(results: Results) -> Analysis:
    """All figures and verdicts of a run, however much of it there is. Raises InputError for a broken histogram."""
    in_blocks = {trial.label for trial in results.trials if trial.purpose == "block"}
    rows = tuple(summary.row(results, label) for label in summary.labels(results) if label in in_blocks)
    twin = summary.row(results, results.reference + TWIN) if results.reference + TWIN in in_blocks else None
    doubts = gates.pair(twin.ratio if twin else None, results.blocks) if rows else ()
    ladders, open_loops = summary.ladders(results), summary.open_loops(results)
    by_label = {row.label: row for row in rows}
    facts = goals.Facts(results, by_label, ladders, open_loops, doubts)
    return Analysis(
        results, rows, twin, doubts, ladders, open_loops,
        costs.connecting(results, {row.label: row.cpu for row in rows}),
        goals.judge(facts) if results.suite == "strategies" else (),
    )  # fmt: skip


def status(analysis: Analysis) -> int:
    """Exit status: FAILED when a goal is missed, a strategy has no valid trial, or a full run may claim nothing."""
    full = analysis.results.blocks >= gates.FULL_BLOCKS
    missed = any(judged.verdict == "missed" for judged in analysis.goals)
    nothing = any(row.rate is None for row in analysis.rows) or not analysis.results.trials
    return FAILED if missed or nothing or (full and analysis.doubts) else OK


def headline(analysis: Analysis) -> str:
    """The run in one sentence; why it claims nothing when its A/A pair failed."""
    if analysis.doubts:
        return f"Nothing is claimed: {'; '.join(analysis.doubts)}."
    parts = []
    if (row := analysis.row(OUT_OF_THE_BOX)) and row.ratio:
        parts.append(f"{times(row.ratio.value)}{span(row.ratio)} over reconnecting")
    direct, reference = analysis.row(DIRECT), analysis.row(analysis.results.reference)
    if direct and direct.ratio:
        parts.append(f"{times(direct.ratio.value)} of a direct persistent connection")
        if reference and reference.backends and direct.backends:
            parts.append(f"with {reference.backends} instead of {direct.backends} backends")
    return ", ".join(parts) or _best(analysis)


def _best(analysis: Analysis) -> str:
    """For a run without those strategies: the highest rate it saw."""
    rates = [(row.rate.value, row.label) for row in analysis.rows if row.rate]
    if rates:
        rate, label = max(rates)
        return f"{label} answers most: {rate:,.0f} requests/s on {analysis.results.page}"
    steps = [(ladder.strategy, step) for ladder in analysis.ladders for step in ladder.steps]
    points = [(step.rate, step.users, strategy) for strategy, step in steps if step.rate]
    if not points:
        return "Nothing was measured."
    rate, users, label = max(points)
    return f"{label}: at most {rate:,.0f} requests/s on {analysis.results.page}, with {users} users"
