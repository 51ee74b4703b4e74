"""The programs that measure the database backend, in their shortest form, on real servers."""

from __future__ import annotations

import re

import pytest

from fixtures.lab_program import output


@pytest.mark.slow
def test_cost_compares_three_ways_on_two_pages() -> None:
    text = output("studies/backend_cost.py", "--rounds", "1", statuses=(0, 1))
    rows = re.findall(r"│ (/\S+) +│ (\S[^│]+?) +│ ([\d,]+) / ([\d,]+) +│ (\d\.\d+)", text)
    assert [(page, compared) for page, compared, *_ in rows] == [
        (page, compared)
        for page in ("/db", "/queries?n=20")
        for compared in (
            "guard off / Django's own",
            "guard on / guard off",
            "guard on / Django's own",
        )
    ]
    for _, _, above, below, ratio in rows:
        assert float(ratio) == pytest.approx(
            int(above.replace(",", "")) / int(below.replace(",", "")), abs=0.01
        )


@pytest.mark.slow
def test_spans_reach_the_collector_and_cost_python() -> None:
    text = output("studies/seeing.py", "--blocks", "1", "--seconds", "2", statuses=(0, 1))
    rows = dict(re.findall(r"│ (\S[^│]+?) +│ ([^│]+)│ [^│]+│", text))
    assert list(rows) == ["as-planned (A/A)", "no-statements", "spans", "spans-1%"]
    if "void" not in text:  # of a machine that others use a trial may be
        assert float(rows["spans"].split("= ")[1]) > 1.1


@pytest.mark.slow
def test_a_restart_is_counted_for_both_backends() -> None:
    text = output("studies/pooler_restart.py", "--restarts", "2")
    cells = re.findall(r"│ (\D+?) +│ +([\d,]+) +│ +([\d,]+) +│", text)
    rows = {
        name: tuple(int(number.replace(",", "")) for number in numbers) for name, *numbers in cells
    }
    assert "2 restarts by SIGINT" in text
    assert min(rows["requests"]) > 0
    assert rows["failed"][0] == 0
    assert rows["failed"][1] > 0
    assert rows["of these lost"] == (0, 0)
