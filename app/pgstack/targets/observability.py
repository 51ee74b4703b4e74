"""`python -m pgstack.targets.observability`: Prometheus, Alertmanager and the node exporter in one
container of Compose, until one of them ends or it is told to end; where nobody asked for them it
waits for that. With `check`, whether all answer.

They listen on the loopback address of a network of their own, where a port leads to the exporter's
socket: no page reaches them, and what they tell receivers is no business of STACK_EGRESS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from pgstack import idle
from pgstack.errors import StackError, ends_the_process
from pgstack.live.probes import watchers
from pgstack.metrics.server import LoopbackServer, passed_on
from pgstack.planning import targets
from pgstack.planning.observability import Observability
from pgstack.planning.plan import Plan
from pgstack.planning.services import OBSERVABILITY, PROMETHEUS
from pgstack.planning.state import started_plan
from pgstack.rendering import receivers

END_SECONDS = 20
"""for Prometheus to write what it has"""


def main() -> int:
    """Run them, or ask; the exit status."""
    with ends_the_process():
        plan = started_plan()
        part = plan.observability
        if sys.argv[1:] == ["check"]:
            return _tell(watchers.silent(part))
        if part is None or plan.metrics is None:
            idle.until_told("observability: STACK_OBSERVABILITY is not full; nothing runs")
        _write(plan)
        port = int(part.exporter.rpartition(":")[2])
        with LoopbackServer(port, passed_on(plan.metrics)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            return _run(part)


def _tell(wrong: list[str]) -> int:
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


def _write(plan: Plan) -> None:
    """Their files, with the secrets of receivers. Raises StackError."""
    place = Path(targets.of(plan.target).observability_files(PROMETHEUS))
    for name in OBSERVABILITY.files:
        text = Path(plan.paths.conf, OBSERVABILITY.name, name).read_text()
        (place / name).write_text(
            receivers.completed(plan, text) if name == receivers.FILE else text
        )


def _run(part: Observability) -> int:
    """Until the first of them ends, which the others then do too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, program in part.programs.items():
            limited = os.environ | {"GOMEMLIMIT": str(program.soft_memory)}
            started[name] = subprocess.Popen(program.words, env=limited)
        while True:
            for name, process in started.items():
                if process.poll() is not None:
                    raise StackError(f"observability: {name} ended with {process.returncode}.")
            time.sleep(1)
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            process.wait(END_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
