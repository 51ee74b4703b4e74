"""Two releases of Debian in turns, each with its own servers in a container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.local_stack import CHECKOUT
from fixtures.releases import DEBIANS, SUITES
from pgstack.planning.packages import NEWEST, RELEASES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
PROGRAM = CHECKOUT / "loadtest/studies/releases.py"
OURS = "pgbouncer-transaction"
OLDEST = min(DEBIANS)


def docker(*words: str) -> bool:
    try:
        return not subprocess.run(["docker", *words], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where results go; containers that were there before stay."""
    for suite in SUITES:
        if not docker("image", "inspect", f"debian:{suite}-slim"):
            pytest.skip(f"the image debian:{suite}-slim is missing: tools/base_image.py {suite}")
    had = [docker("container", "inspect", f"loadtest-debian-{debian}") for debian in DEBIANS]
    yield tmp_path
    if not any(had):
        subprocess.run([sys.executable, str(PROGRAM), "remove"], check=True)


def beside(place: Path, **inputs: str) -> tuple[str, dict[str, Any]]:
    """What a run prints, and what it keeps."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "beside"],
        env={**os.environ, "RESULTS": str(place), **inputs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = place.glob("*/results.json")
    return done.stdout, json.loads(kept.read_text())


def test_both_releases_serve_in_turns_on_their_own_servers(place: Path) -> None:
    asked = {"STRATEGIES": "reconnect-tcp", "BLOCKS": "1", "SECONDS": "1", "SEED": "1"}
    told, results = beside(place, **asked)
    assert f"| {OURS}, Debian {NEWEST} ÷ {OLDEST} |" in told
    assert f"| in-process loop, Debian {NEWEST} ÷ {OLDEST} |" in told
    for debian, release in RELEASES.items():
        assert results["versions"][f"PgBouncer, Debian {debian}"].startswith(release.pgbouncer)
    trials = {trial["label"]: trial for trial in results["trials"]}
    parts = {"web", "python", "pooler", "database"}
    for debian in (OLDEST, NEWEST):
        kept, made = (trials[f"{name}, Debian {debian}"] for name in (OURS, "reconnect-tcp"))
        assert set(kept["cpu_seconds"]) == parts
        assert kept["sessions"] < made["sessions"] <= made["sent"] * 1.05
    prepared, each = (
        trials[f"{name}, Debian {NEWEST}"] for name in ("pgbouncer-prepared", "psycopg3")
    )
    assert prepared["parses"] < prepared["sent"] / 10
    assert each["parses"] == 0 or each["parses"] >= each["sent"]
