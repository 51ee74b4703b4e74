"""Settings are tried before they are there: servers read them from a directory of its own, which is
then deleted.

PgBouncer has no way to check a file. What it meets after the first mistake in one that it is told
to read again, it replaces by compiled defaults, and serves on with those.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pgstack.errors import ProbeError, TargetError
from pgstack.live.probes import bounded
from pgstack.live.verify import settings
from pgstack.live.verify.live import Live, ask
from pgstack.ops import listening, postgres, rendered
from pgstack.planning import services, state
from pgstack.planning.databases import PoolerProcess
from pgstack.planning.plan import Plan
from pgstack.rendering import passwords, templates
from pgstack.rendering.file import File
from pgstack.targets import directory

DIRECTORY = "trial"
ANSWER_SECONDS = 10
COMPLAINT = re.compile(r" (?:WARNING|ERROR|FATAL) (.*)")


def require(plan: Plan) -> None:
    """PostgreSQL and PgBouncer take what is rendered for `plan`. Raises TargetError in their
    words."""
    scratch = Path(plan.paths.root, DIRECTORY)
    shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
    try:
        candidate = _moved(plan, scratch)
        directory.make(candidate)
        rendered.write([*_passwords(candidate, plan), *templates.files(candidate)])
        own = () if plan.external else (("PostgreSQL", _postgres),)
        for server, try_ in (*own, ("PgBouncer", _pooler)):
            if complaint := try_(candidate, plan):
                reason = complaint.replace(str(scratch), plan.paths.root)
                raise TargetError(
                    f"{server} refuses the new configuration: {reason}. Nothing was changed."
                )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _moved(plan: Plan, root: Path) -> Plan:
    """The same plan for another directory; its clients find the PostgreSQL that runs."""
    moved = state.fresh_plan(plan.external.grants if plan.external else None, dir=root)
    return moved.model_copy(
        update={"postgres": moved.postgres.model_copy(update={"host": plan.postgres.host})}
    )


def _passwords(candidate: Plan, plan: Plan) -> list[File]:
    """What PgBouncer logs in with at an external PostgreSQL."""
    return passwords.files(candidate, passwords.known(plan)) if plan.external else []


def _postgres(candidate: Plan, plan: Plan) -> str:
    """What the server's own parser has against the settings."""
    words = postgres.parse(plan, candidate.paths.conf)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return postgres.complaint(done.stderr) if done.returncode else ""


def _pooler(candidate: Plan, _: Plan) -> str:
    """What a PgBouncer has against its files when it starts with them, and a client with how all of
    them then serve."""
    poolers = candidate.pooler.processes
    with ExitStack() as running:
        started = [running.enter_context(_running(candidate, each)) for each in poolers]
        complaint = _clients(candidate, started)
    logs = [_log(candidate, each).read_text(errors="replace") for each in poolers]
    said = [words for log in logs for words in COMPLAINT.findall(log)]
    return "; ".join(said[:2]) or complaint


def _log(candidate: Plan, each: PoolerProcess) -> Path:
    return Path(candidate.paths.log, f"{each.name}.log")


@contextmanager
def _running(candidate: Plan, each: PoolerProcess) -> Iterator[subprocess.Popen[bytes]]:
    """It ends with this process, whatever ends this one."""
    words = ["setpriv", "--pdeathsig", "KILL", *services.servers(candidate)[each.name][0].split()]
    with (
        _log(candidate, each).open("w") as output,
        subprocess.Popen(words, stdout=output, stderr=output, cwd="/") as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _clients(candidate: Plan, started: list[subprocess.Popen[bytes]]) -> str:
    deadline = time.monotonic() + ANSWER_SECONDS
    for each, process in zip(candidate.pooler.processes, started, strict=True):
        socket = Path(candidate.paths.run_pooler, f".s.PGSQL.{each.port}")
        while not listening.at(socket) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    live = Live(candidate)
    try:
        with bounded.waits(ANSWER_SECONDS):
            outcome = settings.pooler_settings(live)
            for each in candidate.pooler.processes:
                with live.clients(1, port=each.port) as (client,):
                    ask(client, "SELECT 1")
    except ProbeError as error:
        return str(error)
    return "" if outcome.holds else outcome.detail
