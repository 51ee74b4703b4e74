"""Two runs compared: what is a regression, and which cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loadtest.lab import compare, store

from fixtures.lab_results import MACHINE, results, trial
from fixtures.lab_runs import REFERENCE, run
from pgstack.errors import InputError


def test_a_slower_run_is_a_regression() -> None:
    comparison = compare.compare(run(4, reconnect=140), run(4))
    assert {change.label: change.verdict for change in comparison.changes} == {
        REFERENCE: "no change shown",
        "patched-signal": "no change shown",
        "reconnect-tcp": "regression",
    }
    assert compare.status(comparison) == 1
    assert compare.status(compare.compare(run(4), run(4, reconnect=140))) == 0
    assert compare.compare(run(4), run(4, reconnect=140)).changes[2].verdict == "improvement"


def test_within_the_margin_is_no_regression_and_few_blocks_show_nothing() -> None:
    assert compare.status(compare.compare(run(4, reconnect=146), run(4))) == 0
    assert {change.verdict for change in compare.compare(run(2, reconnect=9), run(4)).changes} == {
        "too few blocks"
    }


def test_what_was_updated_is_said() -> None:
    later = MACHINE.model_copy(update={"kernel": "6.12.50"})
    comparison = compare.compare(run(3, versions={"PostgreSQL": "17.7"}, machine=later), run(3))
    assert comparison.versions == {
        "PgBouncer": ("1.24.1", "none"),
        "PostgreSQL": ("17.6", "17.7"),
        "kernel": ("6.12.48", "6.12.50"),
    }


def test_strategies_of_one_run_only_are_named() -> None:
    comparison = compare.compare(run(3, more=[trial("pgpool")]), run(3, more=[trial("no-query")]))
    assert (comparison.only_new, comparison.only_old) == (("pgpool",), ("no-query",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"machine": MACHINE.model_copy(update={"processor": "Other 2"})},
            "processor is Other 2, was Example",
        ),
        (
            {"machine": MACHINE.model_copy(update={"stack_cores": (0, 1)})},
            r"stack_cores is \(0, 1\), was \(0,\)",
        ),
        ({"page": "/fortunes"}, "page is /fortunes, was /db"),
        ({"suite": "servers"}, "suite is servers, was strategies"),
        ({"users": 64}, "users is 64, was 16"),
    ],
)
def test_another_machine_page_or_load_is_refused_by_name(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"^COMPARE=old\.json: {message}"):
        compare.require_same(run(3, **fields), run(3), "COMPARE=old.json")


def test_a_run_without_a_trial_may_already_be_compared_or_refused() -> None:
    compare.require_same(results(), run(3), "COMPARE=old.json")
    with pytest.raises(InputError, match="page is /json, was /db"):
        compare.require_same(results(page="/json"), run(3), "COMPARE=old.json")


def test_a_file_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(InputError, match=r"results\.json: No such file"):
        store.read(path)
    path.write_text(run(1).model_dump_json())
    assert store.read(path) == run(1)
    path.write_text(path.read_text().replace('"version":2', '"version":3'))
    with pytest.raises(InputError, match=r"results\.json: version: Input should be 2"):
        store.read(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"results\.json: the file: Invalid JSON"):
        store.read(path)
