"""What makes the slowest answers slow, on a real stack: every way answers all requests."""

from __future__ import annotations

import pytest
from loadtest.studies import tail

from fixtures.lab_program import output


@pytest.mark.slow
def test_every_way_takes_its_turn() -> None:
    text = output("studies/tail.py", "--rounds", "1")
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        if cells[0] in (tail.MERE, *tail.WAYS):
            rows[cells[0]] = cells[1:]
    assert list(rows) == [tail.MERE, *tail.WAYS]
    for p50, p99, p999, failed, _ in rows.values():
        assert 0 < float(p50) <= float(p99) <= float(p999)
        assert failed == "0"
