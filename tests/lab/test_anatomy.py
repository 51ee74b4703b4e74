"""Where a request's CPU time goes, on real servers: every part is there, and they add up."""

from __future__ import annotations

import re

import pytest

from fixtures.lab_program import output

PARTS = ("Apache", "mod_wsgi", "application", "pooler", "database")
IN_BOTH = ("application", "pooler", "database")


@pytest.mark.slow
def test_parts_of_a_request_add_up_over_http_and_in_a_loop() -> None:
    text = output("studies/anatomy.py", "--rounds", "1")
    rows = {
        line.strip("│ ").split()[0]: [
            int(number.replace(",", "")) for number in re.findall(r"([\d,]+) \(", line)
        ]
        for line in text.splitlines()
        if "(" in line and line.strip()
    }
    assert {name: len(rows[name]) for name in PARTS} == {
        name: 1 + (name in IN_BOTH) for name in PARTS
    }
    for way in (0, 1):
        parts = [rows[name][way] for name in (PARTS if way == 0 else IN_BOTH)]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(rows["sum"][way], abs=len(parts))
    assert rows["sum"][0] > rows["sum"][1], "HTTP costs something"
