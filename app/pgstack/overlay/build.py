"""`python -m pgstack.overlay.build [FILE]`: run the commands of STACK_BUILD, which make files of a
project before it serves.

Each begins in the project's directory, with its variables, and without the database. FILE is a list
of lists of words in JSON; without one, the plan has them. No shell is between.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pgstack import settings as stack
from pgstack.errors import InputError, ends_the_process
from pgstack.overlay import environment, work
from pgstack.planning import state
from pgstack.planning.input_names import BUILDING
from pgstack.planning.plan import Plan
from pgstack.serving import tracebacks

LAST_LINES = 12
"""of what a command said that failed"""


def main() -> None:
    """Run what is to be run; 2 with the command that failed, and what it said last."""
    with ends_the_process():
        given = json.loads(Path(sys.argv[1]).read_text()) if sys.argv[1:] else None
        if given == []:
            return
        plan = state.started_plan()
        commands = given or (plan.project.build if plan.project else ())
        if not commands:
            return
        os.environ[BUILDING] = "1"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", plan.web.settings)
        environment.prepare(plan)
        for words in commands:
            _run(plan, words)


def _run(plan: Plan, command: Sequence[str]) -> None:
    """Run one, to its end. Raises InputError when it fails."""
    shown = shlex.join(command)
    print(f"build     {shown}", flush=True)
    done = subprocess.run(
        [*_program(plan, command[0]), *command[1:]],
        cwd=stack.project_root(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise InputError(
            f"STACK_BUILD: {shown}: it ended with {done.returncode}: {_reason(done.stdout)}"
        )


def _reason(output: str) -> str:
    """A traceback's reason, else the last lines."""
    if tracebacks.BEGINS in output:
        return tracebacks.reason(output, stack.project_root())
    return "\n".join(output.strip().splitlines()[-LAST_LINES:]) or "it said nothing"


def _program(plan: Plan, name: str) -> list[str]:
    """What the first word stands for. Raises InputError for a program that is not there."""
    begins = work.program(plan, name)
    if not begins:
        raise InputError(
            f"STACK_BUILD: there is no program {name} in {os.environ['PATH']}. Name the Debian "
            "package that has it in STACK_PACKAGES, or add the package that has it to the "
            "project's "
            "requirements."
        )
    return begins


if __name__ == "__main__":
    main()
