"""The lab on real servers: every strategy that this machine can run is what it says it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TWIN = "pgbouncer-transaction (A/A)"


def lab(results: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """`make loadtest` with these inputs and none of the caller's; one second a trial."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STACK_")}
    environment |= {"BLOCKS": "1", "SECONDS": "1", "RESULTS": str(results), "STACK_MEMORY": "1g", **inputs}
    command = [sys.executable, str(CHECKOUT / "loadtest/run.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)


def record(results: Path) -> dict[str, Any]:
    """The records of the only run below `results`."""
    (path,) = results.glob("*/results.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture(scope="module")
def everything() -> Iterator[dict[str, Any]]:
    """One short trial of each strategy."""
    results = Path(tempfile.mkdtemp(prefix="results-", dir="/tmp"))  # where the account of the lab may enter
    results.chmod(0o755)
    try:
        done = lab(results, STRATEGIES="all")
        if "may not enter" in done.stderr or "missing packages" in done.stderr:
            pytest.skip(done.stderr.strip())
        assert done.returncode in (0, 1), done.stdout + done.stderr
        assert "report:" in done.stdout
        yield record(results)
    finally:
        shutil.rmtree(results)


def proofs(trial: dict[str, Any]) -> list[str]:
    """Reasons against a trial, without that of a machine that is busy with other tests."""
    return [reason for reason in trial["void"] if not reason.startswith("generator")]


def test_each_strategy_runs_or_says_why_not(everything: dict[str, Any]) -> None:
    from loadtest.lab.strategies import STRATEGIES

    labels = {trial["label"] for trial in everything["trials"]}
    assert labels | set(everything["unavailable"]) == {*STRATEGIES, TWIN}
    assert all("apt-get install" in why or "1.21" in why for why in everything["unavailable"].values())


def test_each_strategy_is_proven_to_be_what_it_says(everything: dict[str, Any]) -> None:
    assert {trial["label"]: proofs(trial) for trial in everything["trials"] if proofs(trial)} == {}


def test_reconnecting_makes_a_session_for_each_request_and_pooling_none(everything: dict[str, Any]) -> None:
    by_label = {trial["label"]: trial for trial in everything["trials"]}
    assert by_label["reconnect-socket"]["sessions"] >= by_label["reconnect-socket"]["requests"]
    assert by_label["pgbouncer-transaction"]["sessions"] < 20
    assert by_label["pgbouncer-transaction"]["transactions"] >= by_label["pgbouncer-transaction"]["requests"]
