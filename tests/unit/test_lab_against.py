"""What a run says of this checkout beside another commit."""

from __future__ import annotations

from pathlib import Path

import pytest
from loadtest.lab import store
from loadtest.lab.analysis import FAILED, OK, analyse, status
from loadtest.lab.headline import headline
from loadtest.lab.model import HERE, TWIN, Results
from loadtest.lab.report import html, words

from fixtures.lab_results import results, trial
from pgstack.errors import InputError


def run(share: float, twin: float = 1.0) -> Results:
    """Six blocks in which this checkout has `share` of the rate of v0.1."""
    rates = {HERE: share, "v0.1": 1.0, "v0.1" + TWIN: twin}
    trials = [
        trial(label, block, 1000 * rate * (1 + 0.002 * ((block + len(label)) % 3 - 1)))
        for block in range(6)
        for label, rate in rates.items()
    ]
    described = {HERE: "the code as it is here", "v0.1": "that commit"}
    fields = {"suite": "against", "blocks": 6, "reference": "v0.1", "strategies": described}
    return results(trials, **fields)


@pytest.mark.parametrize(
    ("share", "ends", "says"),
    [
        (
            0.95,
            FAILED,
            "This checkout answers 0.95× [0.95, 0.95] of what v0.1 answers: it is slower",
        ),
        (1.0, OK, "This checkout answers 1.00× [1.00, 1.00] of what v0.1 answers"),
        (1.2, OK, "This checkout answers 1.20× [1.20, 1.20] of what v0.1 answers"),
    ],
)
def test_only_an_interval_below_one_is_slower(share: float, ends: int, says: str) -> None:
    analysis = analyse(run(share))
    assert (status(analysis), headline(analysis)) == (ends, says)
    assert words.compared(analysis.results) == ("each checkout", "v0.1")
    assert says in html.page(analysis)


def test_nothing_is_claimed_where_two_stacks_of_one_commit_differ() -> None:
    analysis = analyse(run(0.95, twin=0.9))
    assert status(analysis) == OK
    assert headline(analysis).startswith("Nothing is claimed: the A/A pair gives 0.900")


def test_each_kind_of_run_goes_on_with_its_own(tmp_path: Path) -> None:
    store.write(run(1.0), tmp_path / "2026-11-30T060000Z")
    with pytest.raises(InputError, match="no earlier run to go on with"):
        store.latest(tmp_path)
    store.write(results(), tmp_path / "2026-11-29T060000Z")
    assert store.latest(tmp_path).name == "2026-11-29T060000Z"
    assert store.latest(tmp_path, "against").name == "2026-11-30T060000Z"
