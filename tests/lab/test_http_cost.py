"""What parts of Apache's configuration cost, on a real server: all of them are measured."""

from __future__ import annotations

import re

import pytest
from loadtest.studies import http_cost

from fixtures.lab_program import output


@pytest.mark.slow
def test_each_part_is_left_out_in_turns() -> None:
    text = output("studies/http_cost.py", "--rounds", "1")
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        if re.fullmatch(r"\d+", cells[1] if len(cells) > 1 else ""):
            rows[cells[0]] = [int(cell) for cell in cells[1:] if cell != "–"]
    assert list(rows) == list(http_cost.ways())
    assert min(min(figures[:2]) for figures in rows.values()) > 0
