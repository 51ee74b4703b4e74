"""New code for a running local stack, without losing a request: its daemon processes are replaced
one by one.

mod_wsgi lets a process that gets SIGUSR1 answer what it has (eviction-timeout), and starts another
that takes requests when it has loaded the code; the others serve meanwhile, and with one process
requests wait for it.
"""

from __future__ import annotations

import re
import signal

import psutil

from pgstack.errors import TargetError
from pgstack.live.probes import local as processes
from pgstack.planning import state
from pgstack.planning.plan import Plan
from pgstack.planning.services import DAEMON
from pgstack.targets import directory, prepare, supervision, workers
from pgstack.targets.run import Run, Say

COMMAND = "release"


def release(say: Say) -> None:
    """Prepare the code that is in the checkout now, and have every web process load it.

    Raises TargetError when the stack does not run, when the code fails, or when no successor
    comes.
    """
    plan = state.started_plan()
    supervision.require_running(plan, "release", "it loads the code that is there")
    with directory.locked(state.plan_file().parents[1]) as lock:
        mark = processes.unfinished(plan)
        if mark.exists() and mark.read_text() != COMMAND:
            raise TargetError(
                "release: a reload was cut off before. Run `make reload` first, which ends it."
            )
        run = Run(plan, say, lock)
        prepare.prepare(run)
        mark.write_text(
            COMMAND
        )  # what is cut off from here on leaves web processes with old and with new code
        with workers.stopped(run):
            replace(run)
        mark.unlink()


def replace(run: Run) -> None:
    """Replace every web process by one that reads code and plan anew. Raises TargetError when no
    successor comes."""
    old = daemons(run.plan)
    for count, process in enumerate(old, 1):
        _replace(run.plan, process)
        run.say(f"replaced  web process {count} of {len(old)}")


def daemons(plan: Plan) -> list[psutil.Process]:
    """The daemon processes, the oldest first."""
    running = [
        process for process in processes.processes(plan) if _title(process).startswith(DAEMON)
    ]
    return sorted(running, key=lambda process: process.create_time())


def _replace(plan: Plan, old: psutil.Process) -> None:
    known = {process.pid for process in daemons(plan)}
    old.send_signal(signal.SIGUSR1)
    seconds = plan.web.graceful_timeout + supervision.START_SECONDS
    supervision.wait(
        lambda: bool(_settled(plan, known, old)),
        "a web process with the new code",
        plan.paths.error_log,
        seconds,
    )


def _settled(plan: Plan, known: set[int], old: psutil.Process) -> bool:
    """Whether a successor is there that has loaded the code: only then mod_wsgi starts its request
    threads."""
    new = [process for process in daemons(plan) if process.pid not in known]
    if not new or old.is_running():
        return False
    try:
        return all(process.num_threads() > _threads(plan, process) for process in new)
    except psutil.NoSuchProcess:
        return False


def _threads(plan: Plan, process: psutil.Process) -> int:
    """Request threads of a web process: behind DAEMON, its title has the number of its lane."""
    number = re.match(r"\d+", _title(process).removeprefix(DAEMON))
    return plan.lanes[int(number[0]) - 1].threads if number else plan.web.threads


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
