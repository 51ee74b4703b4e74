"""supervisord for the local target: it starts the three servers and brings back one that
crashed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pgstack.errors import TargetError
from pgstack.live.probes import supervisord
from pgstack.ops import rendered
from pgstack.planning import services
from pgstack.planning.background import SCHEDULER
from pgstack.planning.plan import Plan
from pgstack.planning.work_names import KILL_SECONDS, PREFIX
from pgstack.planning.worker_input import LONGEST_GRACE_SECONDS
from pgstack.targets import failure, orphans
from pgstack.targets.programs import (
    STOP_SECONDS,
    UMASK,
    configuration,
    open_files,
    plan_file,
)

START_SECONDS = 15
POLL_SECONDS = 0.05
UNSUPERVISED = "UNSUPERVISED"
"""state of a server that runs on after its supervisord was killed"""
NO_SUCH_STATE = {60, 70}  # ALREADY_STARTED, NOT_RUNNING
STARTING_SECONDS = 5
"""longer than supervisord calls a server so (startsecs)"""
ENDED_STATES = ("STOPPED", "EXITED", "FATAL")
ENDING_STATES = ("STOPPING",)


def unsupervised(plan: Plan) -> dict[str, str]:
    """State of each server that runs although supervisord does not."""
    running = services.servers(plan).items() if supervisord.states(plan) is None else ()
    return {
        name: UNSUPERVISED
        for name, (command, _) in running
        if orphans.find(command.split()[0], plan_file(plan))
    }


def started_with(plan: Plan) -> str | None:
    """Fingerprint of the files that the running servers were started with; None when supervisord
    does not run."""
    fingerprint = supervisord.ask(plan, lambda rpc: rpc.getIdentification())
    return None if fingerprint is None else str(fingerprint)


def not_running(plan: Plan) -> dict[str, str] | None:
    """State of each server that supervisord does not call RUNNING; None when it does not run.
    Nothing of what is the project's: what ends that may need a release. No page needs the exporter
    either."""
    states = supervisord.states(plan)
    if not states:
        return None
    beside = {services.METRICS.name, *filter(is_background, states)}
    return {
        name: state for name, state in states.items() if name not in beside and state != "RUNNING"
    }


def all_run(plan: Plan) -> bool:
    """Whether supervisord says RUNNING of every server."""
    return not_running(plan) == {}


def require_running(plan: Plan, command: str, instead: str) -> None:
    """Raise TargetError, with what a start does `instead` of `command`, unless all servers run. One
    that is being started is waited for."""
    deadline = time.monotonic() + STARTING_SECONDS
    while missing := not_running(plan):
        if "STARTING" not in missing.values() or time.monotonic() >= deadline:
            break
        time.sleep(POLL_SECONDS)
    if missing == {}:
        return
    what = (
        " and ".join(f"{name} is {state}" for name, state in missing.items())
        if missing
        else "the stack does not run"
    )
    raise TargetError(f"{command}: {what}. Start it with `make up`; {instead}.")


def follow(plan: Plan, fingerprint: str) -> None:
    """Tell the running supervisord which files its servers run with now, and the limits that they
    need. Of servers it only notes what would change; workers, which must not run, and the
    scheduler it takes as they are planned."""
    rendered.write([configuration(plan, fingerprint)])
    added, changed, removed = supervisord.call(plan).reloadConfig()[0]
    if SCHEDULER in (*changed, *removed):
        stop_scheduler(plan)
    for name in filter(is_background, (*changed, *removed)):
        supervisord.call(plan).removeProcessGroup(name)
    for name in filter(is_background, (*added, *changed)):
        supervisord.call(plan).addProcessGroup(name)


def allow_files(plan: Plan) -> None:
    """Let the running PgBouncer, and whatever supervisord starts, open as many files as the plan
    wants.

    Raises TargetError when the system does not.
    """
    wanted = open_files(plan)
    for process in map(
        psutil.Process,
        [
            supervisord.call(plan).getPID(),
            *(pid for each in plan.pooler.processes for pid in process_ids(plan, each.name)),
        ],
    ):
        soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        if 0 <= soft < wanted:
            try:
                process.rlimit(
                    psutil.RLIMIT_NOFILE, (wanted, max(hard, wanted) if hard >= 0 else hard)
                )
            except psutil.AccessDenied:
                raise TargetError(
                    f"{wanted} open files are wanted, and the running stack may have {hard}. "
                    "Raise the limit (ulimit -n) and start it again with `make up`."
                ) from None


def process_ids(plan: Plan, name: str) -> list[int]:
    """Process ids of one server: the supervised one, else those that run on without a
    supervisord."""
    row = supervisord.ask(plan, lambda rpc: rpc.getProcessInfo(name))
    if row is not None:
        return [int(row["pid"])]
    program = services.servers(plan)[name][0].split()[0]
    return [process.pid for process in orphans.find(program, plan_file(plan))]


def start_daemon(plan: Plan, fingerprint: str) -> None:
    """Start supervisord itself, unless it runs. Raises TargetError with what it said."""
    if supervisord.states(plan) is not None:
        return
    wanted = configuration(plan, fingerprint)
    rendered.write([wanted])
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(wanted.path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=plan.paths.root, umask=UMASK
    )
    if done.returncode and supervisord.states(plan) is None:
        raise TargetError(f"supervisord: {done.stderr.strip() or done.stdout.strip()}")
    wait(
        lambda: supervisord.states(plan) is not None,
        "supervisord",
        f"{plan.paths.log}/supervisord.log",
    )


def start(plan: Plan, name: str) -> None:
    """Start one server through supervisord, unless it runs. Raises TargetError naming its log."""
    try:
        supervisord.call(plan).startProcess(name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in NO_SUCH_STATE:
            raise TargetError(
                f"{name}: {fault.faultString}. See {plan.paths.log}/{name}.log."
            ) from None


def restart(plan: Plan, name: str) -> None:
    """One server: it ends, and is started again at once."""
    with suppress(xmlrpc.client.Fault):  # it does not run
        supervisord.call(plan, 2 * STOP_SECONDS).stopProcess(name)
    start(plan, name)


def is_worker(name: str) -> bool:
    """Whether a program is one of the project's."""
    return name.startswith(PREFIX)


def is_background(name: str) -> bool:
    """Whether a program is a worker, or starts what is scheduled."""
    return name == SCHEDULER or is_worker(name)


def stop_scheduler(plan: Plan) -> None:
    """Where it runs; it ends what it has begun."""
    if SCHEDULER in (supervisord.states(plan) or {}):
        with suppress(xmlrpc.client.Fault):  # it ended a moment ago
            supervisord.call(plan, KILL_SECONDS + 2 * STOP_SECONDS).stopProcess(SCHEDULER)


def stop_workers(plan: Plan) -> list[str]:
    """All at the same time: each ends what it does, or is killed after its grace. Their names."""
    running = workers_in(plan, *ENDED_STATES, *ENDING_STATES, among=False)
    for name in running:
        with suppress(xmlrpc.client.Fault):  # it ended a moment ago
            supervisord.call(plan).stopProcess(name, False)
    # supervisord itself ends each when its grace is over.
    wait(
        lambda: not workers_in(plan, *ENDED_STATES, among=False),
        "the end of the workers",
        f"{plan.paths.log}/supervisord.log",
        LONGEST_GRACE_SECONDS + STOP_SECONDS,
    )
    return running


def workers_in(plan: Plan, *wanted: str, among: bool = True) -> list[str]:
    """Names of the workers that are in one of these states; not `among`: in none of them."""
    states = supervisord.states(plan) or {}
    return [
        name for name, state in states.items() if is_worker(name) and (state in wanted) == among
    ]


def stop(plan: Plan) -> bool:
    """What is the project's, all servers in reverse order, then supervisord; False when nothing
    ran."""
    states = supervisord.states(plan)
    if states is None:
        return _stop_unsupervised(plan)
    stop_scheduler(plan)
    stop_workers(plan)
    # Those that run, which another plan may have started.
    for name in reversed(services.in_order(states)):
        try:
            supervisord.call(plan, 2 * STOP_SECONDS).stopProcess(name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in NO_SUCH_STATE:
                raise TargetError(f"{name}: {fault.faultString}") from None
    daemon = psutil.Process(supervisord.call(plan).getPID())
    supervisord.call(plan).shutdown()
    wait(lambda: _ended(daemon), "supervisord's end", f"{plan.paths.log}/supervisord.log")
    return True


def _ended(process: psutil.Process) -> bool:
    """Whether it is gone, or waits for nothing but its parent."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _stop_unsupervised(plan: Plan) -> bool:
    running = unsupervised(plan)
    for name, (command, stop_signal) in reversed(services.servers(plan).items()):
        if name in running:
            processes = orphans.find(command.split()[0], plan_file(plan))
            orphans.end(processes, signal.Signals[f"SIG{stop_signal}"], STOP_SECONDS)
    return bool(running)


def wait(
    condition: Any, what: str, log: str, seconds: float = START_SECONDS, pause: float = POLL_SECONDS
) -> None:
    """Poll `condition` until it holds. Raises TargetError naming `what` and the log to read."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            end = failure.log_end(Path(log))
            raise TargetError(f"{what}: not there after {seconds:.0f} s. {log} ends with:\n{end}")
        time.sleep(pause)
