"""Drills with a process that a signal has stopped, for 20 s unless somebody has it go on before."""

from __future__ import annotations

import signal
import time

import psutil

from drills.catalogue import backend, drill, program, supervisor
from fixtures.local_stack import LocalStack

STOPPED_SECONDS = 20


def _stop(stack: LocalStack, process: psutil.Process) -> None:
    """SIGSTOP for so long, unless the guard, or another web process, ends it before."""
    error_log = stack.directory / "log/apache-error.log"
    before = error_log.stat().st_size
    process.send_signal(signal.SIGSTOP)
    stack.wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
    deadline = time.monotonic() + STOPPED_SECONDS
    while process.status() == psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGCONT)
    of_the_guard = f"process {process.pid} ({process.name()}) was stopped by a signal: it goes on"
    of_a_sibling = (
        f"process {process.pid} was stopped by a signal and kept others from their work: it goes on"
    )
    told_by_the_guard = of_the_guard in (stack.directory / "log/guard.log").read_text()
    assert told_by_the_guard or of_a_sibling in error_log.read_text()[before:]


@drill(
    "PostgreSQL stopped", "SIGSTOP of PostgreSQL's first process", "guard.log, `make status`", 10
)
def postgres_stopped(stack: LocalStack) -> None:
    """Its backends serve on."""
    _stop(stack, program(stack, "postgres"))


@drill("Apache stopped", "SIGSTOP of Apache's first process", "guard.log, `make status`", 10)
def apache_stopped(stack: LocalStack) -> None:
    """Its children serve on."""
    _stop(stack, program(stack, "apache"))


@drill(
    "web process stopped",
    "SIGSTOP of a daemon process",
    "apache-error.log or guard.log, `make status`",
    12,
)
def daemon_stopped(stack: LocalStack) -> None:
    """It may hold the lock with which daemon processes take turns."""
    _stop(stack, stack.daemons()[0])


@drill("backend stopped", "SIGSTOP of a backend that the web uses", "guard.log, `make status`", 12)
def backend_stopped(stack: LocalStack) -> None:
    """Whoever has it waits; its locks are held."""
    _stop(stack, backend(stack))


@drill("PgBouncer stopped", "SIGSTOP of PgBouncer", "guard.log, `make status`", 12)
def pooler_stopped(stack: LocalStack) -> None:
    """Every query waits in its socket."""
    _stop(stack, program(stack, "pgbouncer"))


@drill("supervisor stopped", "SIGSTOP of supervisord", "guard.log", 5)
def supervisor_stopped(stack: LocalStack) -> None:
    """The servers serve on, and so does the guard."""
    _stop(stack, supervisor(stack))
