"""Where a request's CPU time goes, on real servers: every part is there, and they add up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = ("Apache", "mod_wsgi", "application", "pooler", "database")
IN_BOTH = ("application", "pooler", "database")


def test_parts_of_a_request_add_up_over_http_and_in_a_loop() -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STACK_")
    }
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "loadtest/anatomy.py"), "--rounds", "1"],
        capture_output=True,
        text=True,
        env={**environment, "STACK_MEMORY": "1g", "COLUMNS": "100"},
        check=False,
    )
    if "may not enter" in done.stderr or "missing packages" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
    rows = {
        line.strip("│ ").split()[0]: [
            int(number.replace(",", "")) for number in re.findall(r"([\d,]+) \(", line)
        ]
        for line in done.stdout.splitlines()
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
