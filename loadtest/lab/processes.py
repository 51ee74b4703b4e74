"""The servers of one trial: started for it, on the cores given to them, watched for CPU time, and
stopped."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from signal import SIGKILL

import psutil

from loadtest.lab import interrupts
from loadtest.lab.server import Server
from pgstack.errors import TargetError
from pgstack.planning.services import DAEMON
from pgstack.targets import failure

START_SECONDS = 20
TAIL_LINES = 8
STOP_SECONDS = 20
POLL_SECONDS = 0.02


@contextlib.contextmanager
def pinned(cores: Iterable[int]) -> Iterator[None]:
    """What is started inside runs on `cores`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Processes:
    """Servers in the order they were started."""

    def __init__(self, cores: tuple[int, ...], logs: Path) -> None:
        self._cores, self._logs = cores, logs
        self._running: list[tuple[Server, subprocess.Popen[bytes]]] = []

    def runs(self, name: str) -> bool:
        """Whether a server of this name was started."""
        return any(server.name == name for server, _ in self._running)

    def start(self, server: Server, environment: Mapping[str, str] | None = None) -> None:
        """Start `server` and wait until it answers. Raises TargetError with the end of its log."""
        log = self._logs / f"{server.name}.log"
        with log.open("ab") as output, pinned(self._cores), interrupts.deferred():
            process = subprocess.Popen(
                server.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._logs,
                env={**os.environ, **server.environment, **(environment or {})},
                start_new_session=True,
            )
            self._running.append((server, process))
        deadline = time.monotonic() + START_SECONDS
        while not server.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                what = (
                    "it ended"
                    if process.poll() is not None
                    else f"no answer after {START_SECONDS} s"
                )
                end = failure.log_end(log, TAIL_LINES)
                raise TargetError(f"{server.name}: {what}. Its log ends with:\n{end}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop all, the last one first; one that does not end in time is killed."""
        with interrupts.deferred():
            for server, process in reversed(self._running):
                process.send_signal(server.stop)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, SIGKILL)
                    process.wait()
            self._running.clear()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time used so far, by component; daemon processes of Apache count as `python`."""
        total: dict[str, float] = {}
        for server, process in self._running:
            root = psutil.Process(process.pid)
            for child in (*root.children(recursive=True), root):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    # Children that ended and were waited for count with their parent.
                    name = self._component(server, child)
                    total[name] = total.get(name, 0.0) + sum(child.cpu_times()[:4])
        return total

    @staticmethod
    def _component(server: Server, process: psutil.Process) -> str:
        title = (process.cmdline() or [""])[0]
        return (
            "python" if server.component == "web" and title.startswith(DAEMON) else server.component
        )
