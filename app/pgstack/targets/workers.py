"""The project's workers on the local target: whether their commands are there, and how they make
room for a change.

A release or reload lets them finish first, and starts them again when the rest is in force: none
works with old code on what new pages ask of it, and PostgreSQL may restart without a task in its
way. Pages hand out tasks meanwhile; the queue keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgstack.errors import InputError, TargetError
from pgstack.live.probes import supervisord
from pgstack.ops import commands
from pgstack.planning.asked import asked_by
from pgstack.planning.background import SCHEDULER, UNKNOWN, Entry, Worker
from pgstack.planning.plan import Plan
from pgstack.targets import failure, project, supervision
from pgstack.targets.run import Run

LOOK_SECONDS = 3
"""so long a worker must run, or it has not started: it imports the project in the meantime"""
RUNNING_STATES = ("RUNNING", "STARTING")
TROUBLED_STATES = ("BACKOFF", "EXITED", "FATAL")


def require_commands(run: Run) -> None:
    """Raise InputError for a worker, or an entry of the schedule, whose program, or management
    command, the project does not have."""
    for worker in run.plan.commands:
        if reason := _missing(run, worker):
            raise InputError(f"{asked_by(run.plan, worker)}: {worker.name}: {reason}")


def _missing(run: Run, worker: Worker | Entry) -> str:
    """Why its command cannot run; empty when it can."""

    def wrong(name: str) -> str:
        done = project.python_run(run, *project.manage(run.plan), "help", name)
        if UNKNOWN in done.stderr:
            return commands.unknown(name)
        return failure.reason_of(run.plan, done.stderr) if done.returncode else ""

    programs = str(Path(project.python(run.plan)).parent)
    return commands.missing(worker.command, programs, wrong)


def start(run: Run) -> None:
    """Every worker, unless it runs. Raises TargetError, with the end of its log, for one that ends
    at once; it is started again all the same."""
    plan = run.plan
    names = supervision.workers_in(plan, *RUNNING_STATES, among=False)
    for name in names:
        supervision.start(plan, name)
    if not names:
        return
    before = {name: supervision.process_ids(plan, name) for name in names}
    deadline = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < deadline:
        time.sleep(supervision.POLL_SECONDS)
        for name in supervision.workers_in(plan, *TROUBLED_STATES):
            raise TargetError(_ended(plan, name))
    for name, known in before.items():
        if supervision.process_ids(plan, name) != known:
            raise TargetError(_ended(plan, name))
    run.say(f"workers   {', '.join(names)}")


def start_scheduler(run: Run) -> None:
    """Where something is scheduled, unless it runs. Raises TargetError when it does not stay."""
    plan = run.plan
    if not plan.schedule:
        return
    supervision.start(plan, SCHEDULER)
    supervision.wait(
        lambda: (supervisord.states(plan) or {}).get(SCHEDULER) == "RUNNING",
        "the scheduler",
        f"{plan.paths.log}/{SCHEDULER}.log",
    )
    run.say(f"schedule  {', '.join(entry.name for entry in plan.schedule)}")


def _ended(plan: Plan, name: str) -> str:
    log = Path(f"{plan.paths.log}/{name}.log")
    return (
        f"{name}: it ended at once, and is started again, later each time; pages are served. "
        f"{log} ends with:\n"
        f"{failure.log_end(log)}"
    )


@contextmanager
def stopped(run: Run) -> Iterator[None]:
    """Within it no worker runs: each has ended what it did, or its grace was over. Afterwards those
    that are planned run, whatever happened."""
    ended = supervision.stop_workers(run.plan)
    if ended:
        run.say(f"ended     {', '.join(ended)}")
    try:
        yield
    except BaseException:
        for name in supervision.workers_in(run.plan):
            supervision.start(run.plan, name)
        raise
    start(run)


def trouble(plan: Plan, name: str, state: str) -> Iterator[str]:
    """What is wrong with one that does not run, for `make status`."""
    if state not in TROUBLED_STATES:
        return
    log = Path(f"{plan.paths.log}/{name}.log")
    last = failure.log_end(log, shown=1).strip()
    yield f"it ends, and is started again later each time; {log} ends with: {last}"
