"""Limits worth having in the same run: the application without HTTP, the database without Django,
Apache alone.

All of them on servers that were started once, in rounds: what is divided by what was measured in
the same half minute.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from loadtest.lab import apache, loop, site, stack
from loadtest.lab.generator import HEADERS, Job, drive
from loadtest.lab.model import HTTP, IN_PROCESS, OTHER_PYTHON, PGBENCH, STATIC, WRK, Load
from loadtest.lab.processes import Processes, pinned
from loadtest.lab.request import Request
from loadtest.lab.server import LabStack, Server
from loadtest.lab.trial import Arm, Bench, Cores, running
from pgstack.errors import TargetError
from pgstack.planning.services import postgres_program

SECONDS = 2.0
"""that each of them is measured in a round"""
WARM_SECONDS = (1.0, 3.0)
WRK_WARM_SECONDS = 1
"""wrk has no warm-up of its own; its figures are of whole seconds"""
ROUND_SECONDS = 25.0
"""that a round takes on an idle machine"""
SELECT = "\\set id random(1, 10000)\nSELECT id, randomnumber FROM world WHERE id = :id;\n"
"""pgbench's script: the query of the page /db"""


def expected(rounds: int) -> float:
    """Seconds that `measure` takes, on an idle machine."""
    return rounds * ROUND_SECONDS


def measure(bench: Bench, label: str, asked: Request, rounds: int) -> dict[str, tuple[float, ...]]:
    """Requests/s (pgbench: transactions/s) of each round by name, on the servers of `label`. Raises
    TargetError."""
    first, second = (Arm(lab_stack, *bench.subject(label)) for lab_stack in bench.grounds)
    page, users, cores = asked.page, asked.users, bench.cores
    ways: dict[str, Callable[[], float]] = {
        HTTP: lambda: _driven(first.lab_stack, cores, page, users),
        IN_PROCESS: lambda: in_daemons(second, cores, page),
        OTHER_PYTHON: lambda: _in_other_python(first, cores, page),
        PGBENCH: lambda: pgbench(first.lab_stack, cores, users),
        STATIC: lambda: _driven(first.lab_stack, cores, _file(first.lab_stack), users),
    }
    if shutil.which("wrk"):
        ways[WRK] = lambda: _wrk(first.lab_stack, cores, page, users)
    measured: dict[str, list[float]] = {name: [] for name in ways}
    with ExitStack() as kept:
        kept.enter_context(running(first, cores))
        kept.enter_context(running(second.behind(), cores))
        for number in range(rounds):
            for name, way in list(ways.items())[:: -1 if number % 2 else 1]:
                measured[name].append(way())
    return {name: tuple(figures) for name, figures in measured.items()}


def _driven(lab_stack: LabStack, cores: Cores, page: str, users: int) -> float:
    """The closed loop of the blocks."""
    load = Load(kind="closed", page=page, users=users, seconds=SECONDS)
    job = Job(
        url=site.url(lab_stack),
        loads=(load,),
        cores=cores.generator,
        warm_min=WARM_SECONDS[0],
        warm_max=WARM_SECONDS[1],
    )
    outcome = drive(job, lambda event: None)
    return outcome.requests / outcome.seconds


def in_daemons(arm: Arm, cores: Cores, page: str) -> float:
    """mod_wsgi's own Python, one process of one thread for each of the stack's cores, before it
    serves anything."""
    lab_stack, figures = arm.lab_stack, arm.lab_stack.empty("loop")
    words = (lab_stack.plan.paths.app, page, str(SECONDS), str(figures))
    script = (
        f'WSGIImportScript "{loop.__file__}" process-group=stack application-group=%{{GLOBAL}}\n'
    )
    service = apache.changed(
        ("site.conf", r"processes=\d+ threads=\d+", f"processes={len(cores.stack)} threads=1"),
        ("apache2.conf", r"\Z", script),
        environment={"LAB_LOOP": " ".join(words)},
    )

    def ended() -> list[Path]:
        return [path for path in figures.iterdir() if path.suffix != ".new"]

    def server(lab_stack: LabStack) -> Server:
        return replace(service(lab_stack), answers=lambda: len(ended()) == len(cores.stack))

    processes = Processes(cores.stack, Path(lab_stack.plan.paths.log))
    try:
        processes.start(server(lab_stack), stack.environment(lab_stack, arm.strategy))
        return sum(float(path.read_text()) for path in ended())
    finally:
        processes.stop()


def _in_other_python(arm: Arm, cores: Cores, page: str) -> float:
    """The same with the interpreter of the virtual environment."""
    environment = {**os.environ, **stack.environment(arm.lab_stack, arm.strategy)}
    command = [sys.executable, loop.__file__, arm.lab_stack.plan.paths.app, page, str(SECONDS)]
    with pinned(cores.stack):
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in cores.stack
        ]
    try:
        return sum(
            _figure(process.communicate()[0], r"([\d.]+)", OTHER_PYTHON) for process in running
        )
    finally:
        for process in running:
            process.kill()


def pgbench(lab_stack: LabStack, cores: Cores, users: int) -> float:
    """Transactions/s of the query of /db, through the pooler."""
    plan = lab_stack.plan
    script = lab_stack.write("select.sql", SELECT)
    command = [
        postgres_program(plan, "pgbench"),
        "-n",
        "-f",
        str(script),
        "-T",
        f"{SECONDS:.0f}",
        "-c",
        str(users),
        "-h",
        plan.paths.run_pooler,
        "-p",
        str(plan.pooler.port),
        "-U",
        plan.pooler.web_login,
        plan.postgres.database,
    ]
    return _figure(_output(command, cores), r"tps = ([\d.]+)", "pgbench")


def _file(lab_stack: LabStack) -> str:
    """Address of the smallest picture."""
    file = min(
        Path(lab_stack.plan.paths.static).rglob("*.svg"), key=lambda path: path.stat().st_size
    )
    return f"/static/{file.relative_to(lab_stack.plan.paths.static)}"


def _wrk(lab_stack: LabStack, cores: Cores, page: str, users: int) -> float:
    """The same request as the closed loop's."""
    headers = (word for header in HEADERS for word in ("-H", header))
    command = ["wrk", "-t1", f"-c{users}", *headers, f"{site.url(lab_stack)}{page}"]
    _output([*command, f"-d{WRK_WARM_SECONDS}s"], cores)
    return _figure(
        _output([*command, f"-d{SECONDS:.0f}s"], cores), r"Requests/sec:\s+([\d.]+)", "wrk"
    )


def _output(command: list[str], cores: Cores) -> str:
    with pinned(cores.generator):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _figure(text: str, pattern: str, what: str) -> float:
    match = re.search(pattern, text)
    if not match:
        raise TargetError(
            f"{what}: no figure in its output {text.strip()[-200:]!r}. Run it by hand."
        )
    return float(match[1])
