"""What the summary of `make test` and `make test-all` says of tests that they left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).resolve().parents[1]
SETTINGS = """
[pytest]
testpaths = tests/hosts tests/unit
markers = slow: takes minutes
"""
MODULE = """
import pytest


@pytest.mark.slow
def test_slow():
    pass


@pytest.mark.slow
def test_slower():
    pass


def test_quick():
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    for name in ("hosts", "unit"):
        (tmp_path / "tests" / name).mkdir(parents=True)
        (tmp_path / "tests" / name / f"test_{name}.py").write_text(MODULE)
    return tmp_path


def summary(checkout: Path, *words: str) -> list[str]:
    command = (sys.executable, "-m", "pytest", "-p", "fixtures.not_run", *words)
    done = subprocess.run(
        command,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(FIXTURES), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if "not run" in line]


@pytest.mark.parametrize("workers", ["-n0", pytest.param("-n2", marks=pytest.mark.slow)])
def test_slow_tests_are_counted_by_directory(checkout: Path, workers: str) -> None:
    assert summary(checkout, workers, "-m", "not slow") == [
        "4 slow tests were not run (make test-slow): tests/hosts 2, tests/unit 2"
    ]


def test_directories_that_were_not_asked_for_are_named(checkout: Path) -> None:
    assert summary(checkout, "-n0", "-m", "not slow", "tests/unit") == [
        "2 slow tests were not run (make test-slow): tests/unit 2",
        "directories that were not run (make test-all): tests/hosts",
    ]


@pytest.mark.parametrize("words", [(), ("tests/unit/test_unit.py",), ("-m", "slow")])
def test_nothing_is_said_where_nothing_was_left_out(checkout: Path, words: tuple[str, ...]) -> None:
    assert summary(checkout, "-n0", *words) == []
