"""Everything that a report says, from the records of a run."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.lab import costs, gates, goals, page_rows, summary
from loadtest.lab.costs import Connect
from loadtest.lab.goals import Judged
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import HERE, MIX, TWIN, Results
from loadtest.lab.page_rows import PageRow
from loadtest.lab.summary import Ladder, Offered, Row

OK, FAILED = 0, 1


@dataclass(frozen=True)
class Analysis:
    """What a run found. `doubts` says why it claims nothing; empty when the A/A pair holds or there
    is none to hold."""

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
    pages: tuple[PageRow, ...] = ()
    """those of a project that were measured by themselves"""

    @property
    def pair(self) -> Estimate | None:
        """Rate of the reference ÷ rate of its twin."""
        return self.twin.ratio if self.twin else None

    def row(self, label: str) -> Row | None:
        """The row of a strategy; None when it has none."""
        return next((row for row in self.rows if row.label == label), None)


def analyse(whole: Results) -> Analysis:
    """All figures and verdicts of a run, however much of it there is. Raises InputError for a
    broken histogram."""
    results = whole.on(MIX) if whole.pages else whole
    in_blocks = {trial.label for trial in results.trials if trial.purpose == "block"}
    rows = tuple(
        summary.row(results, label) for label in summary.labels(results) if label in in_blocks
    )
    twin = (
        summary.row(results, results.reference + TWIN)
        if results.reference + TWIN in in_blocks
        else None
    )
    doubts = gates.pair(twin.ratio if twin else None, results.blocks) if rows else ()
    ladders, open_loops = summary.ladders(results), summary.open_loops(results)
    by_label = {row.label: row for row in rows}
    facts = goals.Facts(results, by_label, ladders, open_loops, doubts)
    return Analysis(
        whole,
        rows,
        twin,
        doubts,
        ladders,
        open_loops,
        costs.connecting(results, {row.label: row.cpu for row in rows}),
        goals.judge(facts) if results.suite == "strategies" else (),
        page_rows.rows(whole),
    )


def status(analysis: Analysis) -> int:
    """Exit status: FAILED when a goal is missed, a label has no valid trial, or a full run may
    claim nothing."""
    full = analysis.results.blocks >= gates.FULL_BLOCKS
    missed = any(judged.verdict == "missed" for judged in analysis.goals)
    nothing = not analysis.results.trials or any(row.rate is None for row in analysis.rows)
    broken = any(all(step.rate is None for step in ladder.steps) for ladder in analysis.ladders)
    slower = not analysis.doubts and any(
        row.label == HERE and is_slower(row.ratio) for row in analysis.rows
    )
    failed = missed or nothing or broken or slower or (full and analysis.doubts)
    return FAILED if failed else OK


def is_slower(ratio: Estimate | None) -> bool:
    """Whether the whole interval of a ratio of rates says so."""
    return bool(ratio and ratio.high is not None and ratio.high < 1)
