"""Figures as text, the same in every output; a dash where there is none."""

from __future__ import annotations

from loadtest.lab.analysis import Analysis
from loadtest.lab.formats import digits, span, times
from loadtest.lab.gates import FULL_BLOCKS
from loadtest.lab.goals import Judged
from loadtest.lab.intervals import Estimate
from loadtest.lab.model import TWIN
from loadtest.lab.summary import Step

NONE = "–"
TWIN_SHOWN = "the same, again (A/A)"
COVERAGE = (
    "A 95 % bootstrap interval from few blocks is too narrow: on normal noise it holds the truth in 73 % of runs"
    " with 3 blocks, 83 % with 5, 91 % with 10."
)
"""simulated: 1,500 runs each of log ratios from a normal distribution, BCa as in `intervals`"""


def shown_label(label: str) -> str:
    """A strategy by its name, the twin of the reference as what it is."""
    return TWIN_SHOWN if label.endswith(TWIN) else label


def rate(value: float | None) -> str:
    """Requests/s: 2,150."""
    return NONE if value is None else f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    """123, 12.3 or 1.23."""
    return NONE if value is None else digits(value)


def ratio(estimate: Estimate | None) -> str:
    """14.2× [13.6, 14.9]."""
    return NONE if estimate is None else times(estimate.value) + span(estimate)


def count(value: int | None) -> str:
    """A number of things."""
    return NONE if value is None else f"{value:,}"


def step(found: Step | None) -> str:
    """Requests/s of a step of a ladder; "fails" where requests failed, nothing where none was made."""
    if found is None:
        return ""
    return "fails" if found.rate is None and found.errors else rate(found.rate)


def bound(judged: Judged) -> str:
    """≥ 12 or ≤ 4."""
    return f"{'≤' if judged.goal.most else '≥'} {judged.goal.bound:g}"


def measured(judged: Judged) -> str:
    """What a goal is judged by, with three decimals near one, where they decide."""
    found = judged.measured
    return precise(found) if found and found.value < 2 else ratio(found)


def validity(analysis: Analysis) -> list[str]:
    """What limits the claims of a run, the gravest first."""
    results = analysis.results
    found = [f"Nothing is claimed: {doubt}." for doubt in analysis.doubts]
    if analysis.pair and not analysis.doubts:
        found.append(f"The A/A pair, one strategy under two names, gives {precise(analysis.pair)}.")
    trials = len(results.trials)
    void = sum(1 for trial in results.trials if trial.void)
    found.append(f"{void} of {trials} trials are void." if void else f"All {trials} trials are valid.")
    done = {trial.block for trial in results.trials if trial.purpose == "block"}
    if analysis.rows and len(done) < results.blocks:
        found.append(f"The run was interrupted: {len(done)} of {results.blocks} blocks. RESUME=1 goes on.")
    if analysis.rows and results.blocks < FULL_BLOCKS:
        found.append(f"{COVERAGE} FULL=1 makes {FULL_BLOCKS} blocks or more.")
    if set(results.machine.stack_cores) & set(results.machine.generator_cores):
        found.append("The generator and the stack share cores: the rates are lower than the stack's own.")
    return found


def precise(estimate: Estimate) -> str:
    """A ratio near one, to three decimals."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def repeat(analysis: Analysis) -> str:
    """The command that makes this run again."""
    results = analysis.results
    asked = f"PAGE={results.page} SEED={results.seed}"
    if results.suite == "host":
        return f"make loadtest HOST=… {asked}"
    full = " FULL=1" if results.blocks >= FULL_BLOCKS else ""
    names = ",".join(row.label for row in analysis.rows)
    chosen = f" STRATEGIES={names}" if names else ""
    return f"make loadtest{full} SUITE={results.suite} {asked} BLOCKS={results.blocks}{chosen}"
