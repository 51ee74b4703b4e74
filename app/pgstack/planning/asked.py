"""Which input a command beside the pages comes from."""

from __future__ import annotations

from pgstack.planning import targets
from pgstack.planning.background import Entry, Worker
from pgstack.planning.plan import Plan


def asked_by(plan: Plan, command: Worker | Entry) -> str:
    """The input that names it, under the name that it has on this target."""
    field = "workers" if isinstance(command, Worker) else "schedule"
    return targets.of(plan.target).input(field)
