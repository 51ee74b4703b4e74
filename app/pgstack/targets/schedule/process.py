"""One run of an entry: its processes, its log, its time limit.

All of them are in a session of their own, which is also their process group: that is told to end
when the time is over, and killed with whatever of it is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

from pgstack.live.probes.schedule import moment
from pgstack.planning import layout, targets
from pgstack.planning.background import Entry
from pgstack.planning.plan import Plan
from pgstack.planning.work_names import KILL_SECONDS, SCHEDULED
from pgstack.serving import confine
from pgstack.targets import programs
from pgstack.targets.logs import appended, rotate

OF_SUPERVISOR = "SUPERVISOR_"
"""begins the names of variables that are the scheduler's own"""


def log(plan: Plan, name: str) -> Path | None:
    """Where an entry's output goes; None where a container's engine keeps it."""
    if targets.of(plan.target).image:
        return None
    return Path(plan.paths.log, f"{SCHEDULED}{name}.log")


class Process:
    """A run that has begun."""

    def __init__(self, plan: Plan, entry: Entry) -> None:
        self.entry, self.cut = entry, ""
        self._path = log(plan, entry.name)
        self.begun, self._clock = datetime.now(UTC), time.monotonic()
        self._kill_at = float("inf")
        with self._output() as output:
            self._process = subprocess.Popen(
                _words(plan, entry.name),
                cwd=plan.paths.app,
                env=_environment(plan, entry.name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._note(self.begun, f"{entry.name} begins as process {self.pid}")

    def ended(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs. Looks at its limit too."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            self._look_at_limit()
            self._rotate()
            return None
        # While it is not yet waited for, no other process gets its number.
        self._signal(signal.SIGKILL)
        status = self._process.wait()
        took = time.monotonic() - self._clock
        self._note(datetime.now(UTC), f"{self.entry.name} ended with {status} after {took:.1f} s")
        return status

    def stop(self, reason: Literal["limit", "stopped"]) -> None:
        """Ask the run to end (SIGTERM) and note why; KILL_SECONDS later it is killed."""
        if self.cut:
            return
        self.cut, self._kill_at = reason, time.monotonic() + KILL_SECONDS
        over = (
            f"its limit of {self.entry.limit} s is over"
            if reason == "limit"
            else "a stop was asked for"
        )
        self._note(datetime.now(UTC), f"{self.entry.name} gets SIGTERM: {over}")
        self._signal(signal.SIGTERM)

    def _look_at_limit(self) -> None:
        now = time.monotonic()
        if now - self._clock > self.entry.limit:
            self.stop("limit")
        if now > self._kill_at:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _note(self, time: datetime, words: str) -> None:
        with suppress(OSError), self._output() as output:
            output.write(f"{moment(time)} {words}\n".encode())

    @contextmanager
    def _output(self) -> Iterator[IO[bytes]]:
        if self._path is None:
            with os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0) as output:
                yield output
            return
        self._rotate()
        with appended(self._path) as output:
            yield output

    def _rotate(self) -> None:
        if self._path:
            rotate(self._path)


def _words(plan: Plan, name: str) -> list[str]:
    work = [f"{plan.paths.venv}/bin/python", "-m", "pgstack.overlay.work", name]
    if not targets.of(plan.target).confines:
        return work
    writable = ":".join(layout.written_by_pages(plan.paths))
    return [sys.executable, confine.__file__, writable, *work]


def _environment(plan: Plan, name: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OF_SUPERVISOR)}
    return kept | programs.variables(plan, name)
