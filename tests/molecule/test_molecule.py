"""Molecule's scenarios from the first step to the last; what they do is written in
ansible/molecule/*/molecule.yml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import systemd_host
from host_image import CHECKOUT, image

from fixtures.releases import NEWEST_SUITE, SUITES

pytestmark = [pytest.mark.host, pytest.mark.timeout(2100)]

SHOWN = 40_000
"""characters of the output: the last steps, without what the first run has written"""
SKIPPED = ("no tests found", "Missing playbook")
"""what Molecule says when a step does nothing, and calls that a success"""


QUICK = "not slow"
ALL = f"slow or {QUICK}"


# Debian 12 has its local stack and its rendered files in `make test-all`, see docs/decisions/0017.
@pytest.mark.parametrize(
    ("scenario", "tests"),
    [
        (NEWEST_SUITE, QUICK),
        *(pytest.param(suite, ALL, marks=pytest.mark.slow) for suite in SUITES[::-1]),
    ],
)
def test_every_step_of_the_scenario_succeeds(scenario: str, tests: str, tmp_path: Path) -> None:
    image(scenario)
    programs = Path(sys.executable).parent
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "MOLECULE_", "PYTEST_"))
    } | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "NO_COLOR": "1",
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
        "MOLECULE_TESTS": tests,
        "LC_ALL": "C.UTF-8",
        "PYTEST_XDIST_WORKER_COUNT": os.environ.get(
            "PYTEST_XDIST_WORKER_COUNT", "1"
        ),  # how much load may be
    }
    shared = CHECKOUT / ".config/molecule/config.yml"
    command = [
        programs / "molecule",
        "--base-config",
        shared,
        "test",
        "--scenario-name",
        scenario,
        "--no-command-borders",
    ]
    try:
        done = subprocess.run(
            command,
            cwd=CHECKOUT / "ansible",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    finally:
        systemd_host.stop(tmp_path / "molecule/host")
    print(done.stdout[-SHOWN:])
    assert done.returncode == 0, "above is the step that failed"
    assert [words for words in SKIPPED if words in done.stdout] == []
