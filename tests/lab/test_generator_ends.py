"""How the load generator ends: with its job, with whoever asked, by a signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
from loadtest.lab.generator import Progress, drive, process

from fixtures.counting_server import serving
from fixtures.generator_jobs import closed, job
from fixtures.local_stack import CHECKOUT
from pgstack.errors import TargetError


def generators() -> list[psutil.Process]:
    """Children of this process that are load generators."""
    return [
        child
        for child in psutil.Process().children()
        if "loadtest.lab.generator" in child.cmdline()
    ]


def test_generator_that_overruns_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        plan, began = job(server, closed(seconds=60)), time.monotonic()
        monkeypatch.setattr(process, "START_SECONDS", 3 - plan.longest)
        with pytest.raises(TargetError, match="did not end within 3 s"):
            drive(plan, lambda at: None)
    assert time.monotonic() - began < 50, "it was killed, and not waited for"
    assert generators() == []


def test_generator_ends_with_whoever_asked() -> None:
    def interrupt(at: Progress) -> None:
        raise KeyboardInterrupt

    with serving() as server, pytest.raises(KeyboardInterrupt):
        drive(job(server, closed(seconds=60)), interrupt)
    assert generators() == []


def started(text: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "loadtest.lab.generator"]
    environment = {"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'app'}"}
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
    )
    assert child.stdin
    child.stdin.write(text + "\n")
    child.stdin.flush()
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_generator_without_a_traceback(number: signal.Signals) -> None:
    with serving() as server, started(job(server, closed(seconds=60)).model_dump_json()) as child:
        assert child.stdout
        assert child.stderr
        assert json.loads(child.stdout.readline())["phase"] == "warming"
        child.send_signal(number)
        assert child.wait(20) == 128 + number
        assert child.stderr.read() == ""


def test_generator_ends_when_nobody_listens_any_more() -> None:
    with serving() as server, started(job(server, closed(seconds=60)).model_dump_json()) as child:
        assert child.stdout
        child.stdout.readline()
        child.stdout.close()
        assert child.wait(20) == 128 + signal.SIGPIPE


def test_bad_job_ends_with_two_and_no_request() -> None:
    with (
        serving() as server,
        started(json.dumps({"url": "http://192.0.2.1", "loads": []})) as child,
    ):
        assert child.wait(20) == 2
        assert child.stderr
        assert "loads" in child.stderr.read()
        assert server.count == 0
