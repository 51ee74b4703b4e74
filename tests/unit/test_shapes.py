"""How the number of users changes over time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
sys.path[:0] = ["app", "."]
from loadtest import shapes
at = shapes.shape("spike")()
for second in (0, 29, 30, 44, 45, 89, 90):
    at.get_run_time = lambda: second
    print(second, at.tick())
"""


def test_a_crowd_comes_at_once_and_goes() -> None:
    """In a process of its own: Locust replaces parts of the standard library."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "0 (8, 8.0)",
        "29 (8, 8.0)",
        "30 (128, 128.0)",
        "44 (128, 128.0)",
        "45 (8, 8.0)",
        "89 (8, 8.0)",
        "90 None",
    ]
