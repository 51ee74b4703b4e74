"""What brings servers back that their own unit does not: it looks twice a minute
(stack-watch.timer).

A unit that ended is started again by systemd, up to its start limit. After that, for a process that
was stopped, and for requests that somebody held back and left, there is this. It also keeps a
member of a cluster from leading whose disk is not to be trusted.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from pgstack.planning import services

from . import (
    apache,
    files_back,
    major,
    major_cluster,
    major_copy,
    pgbouncer,
    postgres,
    restore,
    safe,
    status,
    system,
    unfit,
    workers,
)
from .stack import INSTANCES, Stack

TEMPLATE = "@.service"
"""ends the name of a unit that has instances"""
WARNING = "<4>"
"""before a line for the journal (sd-daemon(3))"""


def look(stack: Stack) -> str:
    """Bring back what can be; returns what was done, for the journal. What was stopped by systemctl
    stays so."""
    try:
        with system.exclusive_lock(stack.run, seconds=0):
            done = [line for line in [restore.settle(stack)] if line]
            done += [
                line for unit in _units(stack) for line in (_continue(unit), _start(unit)) if line
            ]
            marks = postgres.upgrade_mark(stack), major_copy.slots_mark(stack)
            if any(mark.exists() for mark in marks) or major_cluster.lags(stack):
                done.append(major.settle(stack))
            if "apache" in stack.services:
                back = (*_resume(stack), workers.resume(stack), files_back.serve_again(stack))
                done += [line for line in back if line]
            done += [line for line in [unfit.note(stack)] if line]
    except safe.StackctlError as error:
        return str(error)
    return "\n".join(f"{WARNING}{line}" for line in done)


def _units(stack: Stack) -> list[str]:
    """Those that are to run; of instances that take turns, the one that serves at boot."""
    units = [
        instance
        for unit in services.lasting_units(stack)
        for instance in (_serving(unit) if unit.endswith(TEMPLATE) else [unit])
    ]
    return units + workers.running(stack)


def _serving(template: str) -> list[str]:
    instances = [template.replace(TEMPLATE, f"@{name}.service") for name in INSTANCES]
    return [unit for unit in instances if system.enabled(unit)]


def _continue(unit: str) -> str:
    """Let processes run that a signal has stopped; a debugger's stay."""
    halted = system.stopped(unit)
    for process in halted:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)
    return (
        f"{unit}: was stopped by a signal and runs again: {' '.join(map(str, halted))}"
        if halted
        else ""
    )


def _start(unit: str) -> str:
    """Start what systemd has given up."""
    if not system.failed(unit):
        return ""
    system.run("systemctl", "reset-failed", unit)
    started = system.run("systemctl", "start", unit).returncode == 0
    return f"{unit}: had failed, and {'was started again' if started else 'fails again'}"


def _resume(stack: Stack) -> list[str]:
    """End a PAUSE whose command is gone; a failed query through PgBouncer shows that there may be
    one."""
    sockets = Path(stack.paths.run_pooler)
    if (
        postgres.resumes(stack)
        or not pgbouncer.trouble(stack, sockets, status.ANSWER_SECONDS)
        or postgres.resumes(stack)
    ):
        return []
    if not pgbouncer.resume(stack):
        return []
    apache.enable_keepalive(stack)
    return ["PgBouncer was left holding requests back: they go on now"]
