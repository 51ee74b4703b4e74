"""The same with psycopg 3: the tests of the backend and of the hazards again, in a process that
finds that driver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from fixtures.local_stack import CHECKOUT

LAB = CHECKOUT / ".cache/lab"
"""what `make install-dev` puts aside, so that the stack itself goes on with psycopg2"""
FILES = {
    "backend": (
        "test_backend_contract.py",
        "test_backend_repeats.py",
        "test_cached_plans.py",
        "test_hazards_backends.py",
        "test_on_direct.py",
    ),
    "hazards": (
        "test_guard.py",
        "test_hazards_cursors.py",
        "test_hazards_locks.py",
        "test_hazards_session.py",
        "test_hazards_tenants.py",
        "test_hazards_tools.py",
        "test_hazards_waiting.py",
        "test_pooler_restart.py",
    ),
}
"""what asks the driver for more than SQL, and the rest"""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("files", ["backend", pytest.param("hazards", marks=pytest.mark.slow)])
@pytest.mark.skipif(is_psycopg3, reason="this is the process that finds it")
def test_the_tests_of_the_backend_pass_with_psycopg_3(tmp_path: Path, files: str) -> None:
    if not (LAB / "psycopg").is_dir():
        pytest.skip("psycopg 3 is not in .cache/lab; `make install-dev` installs it")
    here = CHECKOUT / "tests/integration"
    # psycopg warns of connections and cursors that nobody closed, which the broken ones of these
    # tests are.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore::ResourceWarning",
        f"--basetemp={tmp_path / 'own'}",
        *(str(here / name) for name in FILES[files]),
    ]
    environment = {**os.environ, "PYTHONPATH": str(LAB)}
    environment = {
        name: value for name, value in environment.items() if not name.startswith("PYTEST_")
    }
    done = subprocess.run(
        command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
