"""The parent's side: starts the generator, reads its events, bounds its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from loadtest.lab.generator.job import Job, Outcome, Progress
from pgstack.errors import TargetError

CHECKOUT = Path(__file__).resolve().parents[3]
START_SECONDS = 60.0
"""a start on a busy machine; it takes 1 s on an idle one"""
STOP_SECONDS = 5.0

OnProgress = Callable[[Progress], None]


def drive(job: Job, on_progress: OnProgress) -> Outcome:
    """Run the only load of `job` in a process of its own. Raises TargetError when the generator
    fails or overruns."""
    (outcome,) = drive_all(job, on_progress)
    return outcome


def drive_pair(job: Job, on_progress: OnProgress) -> tuple[Outcome, Outcome]:
    """Run the only load of `job` on its two servers: outcomes of `url` and of `against`. Raises as
    `drive` does."""
    first, second = drive_all(job, on_progress)
    return first, second


def drive_all(
    job: Job, on_progress: OnProgress, finished: Callable[[Outcome], None] = lambda outcome: None
) -> tuple[Outcome, ...]:
    """Run all loads of `job` in one process, a ladder for example; `finished` gets each outcome at
    once.

    Raises TargetError when the generator fails or overruns. However this ends, the generator has
    ended too.
    """
    outcomes: list[Outcome] = []
    limit = START_SECONDS + job.longest
    with tempfile.TemporaryFile("w+") as errors, _started(errors.fileno()) as process:
        watchdog = threading.Timer(limit, process.kill)
        watchdog.start()
        try:
            _tell(process, job)
            for line in process.stdout or ():
                if json.loads(line)["event"] == "progress":
                    on_progress(Progress.model_validate_json(line))
                    continue
                outcomes.append(Outcome.model_validate_json(line))
                finished(outcomes[-1])
            status = process.wait()
        finally:
            overrun = not watchdog.is_alive()
            watchdog.cancel()
            _end(process)
        if overrun:
            raise TargetError(
                f"load generator: did not end within {limit:.0f} s. Ask for fewer seconds."
            )
        if status or len(outcomes) != job.outcomes:
            errors.seek(0)
            said = errors.read().strip().splitlines() or ["it said nothing"]
            raise TargetError(
                f"load generator: ended with status {status}: {said[-1]}. Run it again."
            )
    return tuple(outcomes)


def _started(errors: int) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "app")))
    }
    command = [sys.executable, "-m", "loadtest.lab.generator"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment,
    )


def _tell(process: subprocess.Popen[str], job: Job) -> None:
    assert process.stdin
    try:
        process.stdin.write(job.model_dump_json() + "\n")
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended already; its status says why


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
