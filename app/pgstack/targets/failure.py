"""A command of the project that failed: its reason in a message, and the whole of what it said in a
file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pgstack.planning.plan import Plan
from pgstack.serving import tracebacks

FILE = "failure.log"
"""below the stack's log directory; the last failure"""


def told(plan: Plan, output: str) -> str:
    """The reason of a command that wrote `output`, and where all of it is."""
    reason = tracebacks.reason(output.strip(), Path(plan.paths.app).resolve())
    return f"{reason}.{kept(plan, output)}"


def kept(plan: Plan, output: str) -> str:
    """Where the traceback in `output` is kept, as a sentence; empty when there is none, or no room
    for it."""
    path = Path(plan.paths.log, FILE)
    if tracebacks.BEGINS in output:
        with suppress(OSError):
            path.touch(0o600)
            path.write_text(output)
            return f" The whole traceback: {path}."
    return ""
