"""What serves on a host is shut in by systemd, as systemd itself judges it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pgstack import render, sizing
from pgstack.config import StackConfig
from pgstack.hardware import Hardware

GB = 1024**3
MOST = 40
"""exposure, in tenths"""


@pytest.mark.parametrize("debian", [12, 13])
@pytest.mark.parametrize("name", ["stack-apache@", "stack-pgbouncer@", "stack-build@", "stack-backup@", "stack-drill"])
def test_exposure_of_a_unit_is_small(tmp_path: Path, name: str, debian: int) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing; apt-get install systemd")
    plan = sizing.plan(StackConfig(target="host", hosts=["shop.example"]), Hardware(2, 4 * GB, debian, 65536))
    (text,) = [file.text for file in render.files(plan) if file.path.name == f"{name}.service"]
    unit = tmp_path / f"{name.replace('@', '@a')}.service"
    unit.write_text(text)
    words = [program, "security", "--no-pager", "--offline=true", f"--threshold={MOST}", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert "Overall exposure level" in done.stdout
