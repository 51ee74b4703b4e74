"""A process that a signal has stopped is found and goes on, where it is a sibling."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

CODE = "from pgstack.serving import siblings; print(siblings.resume())"


@pytest.fixture
def halted() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        process.send_signal(signal.SIGSTOP)
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        yield process
        process.kill()


def resumed(*before: str) -> str:
    """What a process says that looks for its siblings."""
    command = [*before, sys.executable, "-c", CODE]
    app = Path(__file__).resolve().parents[2] / "app"
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=app
    ).stdout.strip()


def test_a_stopped_sibling_goes_on(halted: subprocess.Popen[bytes]) -> None:
    assert resumed() == f"[{halted.pid}]"
    assert psutil.Process(halted.pid).status() != psutil.STATUS_STOPPED
    assert resumed() == "[]"


def test_another_familys_process_is_left_alone(halted: subprocess.Popen[bytes]) -> None:
    assert resumed("/bin/sh", "-c", '"$@"; true', "sh") == "[]"
    assert psutil.Process(halted.pid).status() == psutil.STATUS_STOPPED
