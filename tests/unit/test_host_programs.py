"""Programs that stackctl runs: what they say, and that they end with all that they have started."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from stackctl import system


def test_a_program_says_how_it_ended() -> None:
    assert system.run("sh", "-c", "cat; echo wrong >&2; exit 3", text="given").stdout == "given"
    done = system.run("sh", "-c", "read word || echo nothing; exit 3")
    assert (done.returncode, done.stdout) == (3, "nothing\n")


def test_a_program_has_no_terminal_of_the_caller() -> None:
    done = system.run("python3", "-c", "import os; print(os.getsid(0) == os.getpid())")
    assert done.stdout == "True\n"


def test_a_program_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "child"
    done = system.run("sh", "-c", f"sleep 60 & echo $! > {note}; wait", timeout=0.5)
    assert (done.returncode, done.stderr) == (124, "no end after 0.5 s")
    assert_ended(int(note.read_text()))


def test_an_interruption_ends_what_runs(tmp_path: Path) -> None:
    note = tmp_path / "child"
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(KeyboardInterrupt):
        system.run("sh", "-c", f"sleep 60 & echo $! > {note}; wait")
    assert_ended(int(note.read_text()))


def assert_ended(process: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
            if Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].startswith("Z"):
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} still runs")
