"""Where the servers of a trial answer, and whether they do."""

from __future__ import annotations

from contextlib import suppress

from loadtest.lab.server import LabStack
from pgstack.errors import ProbeError
from pgstack.live.probes import web as probes


def url(lab_stack: LabStack) -> str:
    """Address of the stack's site, without a path."""
    return f"http://127.0.0.1:{lab_stack.plan.site.port}"


def ready(lab_stack: LabStack) -> bool:
    """Whether a query went to the database and came back."""
    with suppress(ProbeError):
        probes.fetch(f"{url(lab_stack)}/readyz", seconds=5)
        return True
    return False
