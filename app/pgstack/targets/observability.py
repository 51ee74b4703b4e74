"""`python -m pgstack.targets.observability`: Prometheus, Alertmanager and the node exporter in one
container of Compose, until one of them ends or the container is stopped; where they are off it does
nothing but wait for that. With `check`, whether all answer; with `try`, whether they take what was
rendered and the files of receivers.

They listen on the loopback address of a network of their own, where a port leads to the exporter's
socket: no page reaches them, and STACK_EGRESS does not limit what they send to receivers. The
page's history, and whether they run as planned, are read at a socket, which answers fixed questions
only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from pgstack import idle
from pgstack.errors import StackError, ends_the_process
from pgstack.live.probes import prometheus, watchers
from pgstack.live.probes.exporter import HISTORY
from pgstack.metrics import page, past
from pgstack.metrics.page import Answer
from pgstack.metrics.past import Past
from pgstack.metrics.server import Answering, LoopbackServer, Server, passed_on, served
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
        if sys.argv[1:] == ["try"]:
            return _tell(_refusals(plan))
        if part is None or plan.metrics is None:
            idle.until_told("observability: STACK_OBSERVABILITY is not full; nothing runs")
        _write(plan, Path(targets.of(plan.target).observability_files(PROMETHEUS)))
        port = int(part.exporter.rpartition(":")[2])
        with (
            served(LoopbackServer(port, passed_on(plan.metrics))),
            served(Server(Path(part.socket), _answering(plan, part))),
        ):
            return _run(part)


def _answering(plan: Plan, part: Observability) -> Answering:
    """What the exporter and verify are told."""
    alone = part.model_copy(update={"socket": ""})
    remembered = Past(partial(past.read, alone))

    def answer(target: str) -> Answer | None:
        path, _, query = target.partition("?")
        if path == f"/{HISTORY}":
            return page.remembered(query, remembered.text)
        if path == prometheus.VERIFY:
            return Answer(page.JSON, json.dumps(prometheus.differences(plan, alone)).encode())
        return None

    return answer


def _tell(wrong: list[str]) -> int:
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


def _refusals(plan: Plan) -> list[str]:
    """What their own tools say against their files. Raises StackError."""
    with tempfile.TemporaryDirectory() as place:
        _write(plan, Path(place))
        tried = [
            subprocess.run([*words, f"{place}/{name}"], capture_output=True, text=True, check=False)
            for name, words in receivers.CHECKS.items()
        ]
    return [done.stdout + done.stderr for done in tried if done.returncode]


def _write(plan: Plan, place: Path) -> None:
    """Their files, with the secrets of receivers. Raises StackError."""
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
