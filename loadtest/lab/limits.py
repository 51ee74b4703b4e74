"""Limits worth having in the same run: the application without HTTP, the database without Django, Apache alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from loadtest.lab import loop, site, stack, trial
from loadtest.lab.design import Slot
from loadtest.lab.generator import Job, drive
from loadtest.lab.model import IN_PROCESS, PGBENCH, REFERENCE, STATIC, WRK, Load
from loadtest.lab.processes import pinned
from loadtest.lab.request import Request
from loadtest.lab.server import Ground
from loadtest.lab.strategies import STRATEGIES
from loadtest.lab.trial import Bench, Cores
from pgstack.errors import TargetError

START_SECONDS = 1.5
"""before each of them asks its first question"""
WARM_SECONDS = 3
"""that wrk asks before it counts; it has no warm-up of its own"""
SELECT = "\\set id random(1, 10000)\nSELECT id, randomnumber FROM world WHERE id = :id;\n"
"""pgbench's script: the query of the page /db"""


def expected(seconds: int) -> float:
    """Seconds that `measure` takes, on an idle machine."""
    return 4 * (seconds + START_SECONDS) + WARM_SECONDS


def measure(bench: Bench, label: str, asked: Request) -> dict[str, float]:
    """Requests/s (pgbench: transactions/s) by name, on the servers of the reference, `label`. Raises TargetError."""
    ground, cores = bench.ground, bench.cores
    page, users, seconds = asked.page, asked.users, asked.seconds
    with trial.running(bench, Slot("block", 0, label, users)):
        found = {
            IN_PROCESS: _in_process(ground, cores, page, seconds), PGBENCH: _pgbench(ground, cores, users, seconds),
            STATIC: _static(ground, cores, users, seconds),
        }  # fmt: skip
        if shutil.which("wrk"):
            found[WRK] = _wrk(ground, cores, page, users, seconds)
    return found


def _in_process(ground: Ground, cores: Cores, page: str, seconds: int) -> float:
    """One process for each of the stack's cores, each calling the WSGI application in a loop."""
    environment = {**os.environ, **stack.environment(ground, STRATEGIES[REFERENCE])}
    command = [sys.executable, loop.__file__, ground.plan.paths.app, page, str(seconds)]
    with pinned(cores.stack):
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in cores.stack
        ]
    try:
        return sum(_figure(process.communicate()[0], r"([\d.]+)", "in-process loop") for process in running)
    finally:
        for process in running:
            process.kill()


def _pgbench(ground: Ground, cores: Cores, users: int, seconds: int) -> float:
    plan = ground.plan
    script = ground.write("select.sql", SELECT)
    command = [
        f"/usr/lib/postgresql/{plan.versions.postgresql}/bin/pgbench", "-n", "-f", str(script), "-T", str(seconds),
        "-c", str(users), "-h", plan.paths.run_pooler, "-p", str(plan.pooler.port), "-U", plan.pooler.web_login,
        plan.postgres.database,
    ]  # fmt: skip
    return _figure(_output(command, cores), r"tps = ([\d.]+)", "pgbench")


def _static(ground: Ground, cores: Cores, users: int, seconds: int) -> float:
    file = min(Path(ground.plan.paths.static).rglob("*.svg"), key=lambda path: path.stat().st_size)
    page = f"/static/{file.relative_to(ground.plan.paths.static)}"
    load = Load(kind="closed", page=page, users=users, seconds=seconds)
    outcome = drive(Job(url=site.url(ground), loads=(load,), cores=cores.generator), lambda event: None)
    return outcome.requests / outcome.seconds


def _wrk(ground: Ground, cores: Cores, page: str, users: int, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{users}", f"{site.url(ground)}{page}"]
    _output([*command, f"-d{WARM_SECONDS}s"], cores)
    return _figure(_output([*command, f"-d{seconds}s"], cores), r"Requests/sec:\s+([\d.]+)", "wrk")


def _output(command: list[str], cores: Cores) -> str:
    with pinned(cores.generator):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _figure(text: str, pattern: str, what: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise TargetError(f"{what}: no figure in its output {text.strip()[-200:]!r}. Run it by hand.")
    return float(found[1])
