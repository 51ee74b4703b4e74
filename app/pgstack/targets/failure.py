"""A command of the project that failed: its reason in a message, and the whole of what it said in a
file."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path

from pgstack.errors import TargetError
from pgstack.planning.plan import Plan
from pgstack.serving import tracebacks

REMEDY = "Fix it and run `make up` again: it goes on from here."
NO_THREADS = "unable to create worker thread"
"""what Apache's log says, whatever limit it met"""
THREADS_REMEDY = (
    "This machine, container or account has no more threads to give: stop what else runs, or raise "
    "the least of pids.max, ulimit -u, kernel.threads-max and kernel.pid_max."
)
FATAL = re.compile(r"\b(FATAL|PANIC): ")
REFUSAL = re.compile(r"FATAL: +the database system is ")
"""what PostgreSQL writes for each connection until it is ready; waiting for it makes ten a second,
and the reason is above them"""
LAST_START_LINES = 20
"""of a server's log: what its last start wrote"""
FILE = "failure.log"
"""below the stack's log directory; the last failure"""


def reason_of(plan: Plan, output: str) -> str:
    """The reason of a command that wrote `output`, and where all of it is."""
    reason = tracebacks.reason(output.strip(), Path(plan.paths.app).resolve())
    return f"{reason}.{traceback_note(plan, output)}"


def require(plan: Plan, done: subprocess.CompletedProcess[str], what: str) -> None:
    """Raise TargetError, with the reason, when the command `what` has failed."""
    if done.returncode:
        reason = reason_of(plan, done.stderr.strip() or done.stdout)
        raise TargetError(f"{what}: {reason} {REMEDY}")


def log_end(log: Path, shown: int = 5) -> str:
    """The last lines of a server's log, its last fatal one among them, and what helps where they
    say no more than what failed."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    telling = [line for line in lines if not REFUSAL.search(line)]
    recent, last = telling[-LAST_START_LINES:], telling[-shown:]
    fatal = [line for line in recent if FATAL.search(line)]
    if fatal and fatal[-1] not in last:
        last[0] = fatal[-1]
    remedy = [THREADS_REMEDY] if any(NO_THREADS in line for line in recent) else []
    return "\n".join([*last, *remedy])


def traceback_note(plan: Plan, output: str) -> str:
    """Where the traceback in `output` is kept, as a sentence; empty when there is none, or no room
    for it."""
    path = Path(plan.paths.log, FILE)
    if tracebacks.BEGINS in output:
        with suppress(OSError):
            path.touch(0o600)
            path.write_text(output)
            return f" The whole traceback: {path}."
    return ""
