"""`python -m pgstack.overlay.work NAME`: become the worker, or a run of the schedule, that the plan
calls NAME.

Its command begins where pages begin: in the project's directory, with its variables, and with
`default` on the workers' pool.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from pgstack import settings as stack
from pgstack.errors import InputError, ends_the_process
from pgstack.overlay import environment
from pgstack.planning import state
from pgstack.planning.asked import asked_by
from pgstack.planning.background import MANAGE, MANAGE_MODULE, PYTHONS, VARIABLE, Entry, Worker
from pgstack.planning.plan import Plan


def main() -> None:
    """Run what the command line says."""
    with ends_the_process():
        plan = state.started_plan()
        worker = _planned(plan, sys.argv[1])
        os.environ[VARIABLE] = worker.name
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", plan.web.settings)
        environment.prepare(plan)
        words = command(plan, worker)
        os.chdir(stack.project_root())
        os.execv(words[0], words)  # noqa: S606 - what watches it wants this very process


def command(plan: Plan, worker: Worker | Entry) -> list[str]:
    """Its words, the first of them a path. Raises InputError for a program that is not there."""
    first, *words = worker.command
    begins = program(plan, first)
    if not begins:
        raise InputError(
            f"{asked_by(plan, worker)}: {worker.name}: there is no program {first} in "
            f"{os.environ['PATH']}. "
            f"Add the package that has it to the project's requirements."
        )
    return [*begins, *words]


def program(plan: Plan, name: str) -> list[str]:
    """What the first word of a command stands for; nothing where there is no such program."""
    # A release leads the environment's link elsewhere; who runs on imports from where it began.
    python = str(Path(sys.prefix).resolve() / "bin/python")
    if name == MANAGE:
        manage = ["-m", MANAGE_MODULE] if plan.project else [str(stack.project_root() / MANAGE)]
        return [python, *manage]
    if name in PYTHONS:
        return [python]
    path = shutil.which(name)
    return [path] if path else []


def _planned(plan: Plan, name: str) -> Worker | Entry:
    for worker in plan.commands:
        if worker.name == name:
            return worker
    names = ", ".join(worker.name for worker in plan.commands) or "no worker"
    raise InputError(f"{name}: the plan has {names}. Name one of them.")


if __name__ == "__main__":
    main()
