"""Whether a project has a command that is to run beside its pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from pgstack.planning.background import MANAGE, PYTHONS, SYSTEM_PATH


def missing(command: tuple[str, ...], programs: str, wrong: Callable[[str], str]) -> str:
    """Why a command cannot run; empty when it can.

    `programs` is the directory of those of the project's environment. `wrong` is asked what is
    wrong with a management command, which only the project itself knows.
    """
    program, *words = command
    if program == MANAGE:
        if not words:
            return f"{MANAGE} needs a command, such as `{MANAGE} run_huey`."
        return wrong(words[0])
    if program in PYTHONS or shutil.which(program, path=f"{programs}:{SYSTEM_PATH}"):
        return ""
    return (
        f"there is no program {program} in the project's environment. Add the package that has it "
        "to its requirements."
    )


def unknown(name: str) -> str:
    """What is wrong with a management command that the project does not have."""
    return (
        f"the project has no management command {name}. Name one that it has, or add the app that "
        "has it to INSTALLED_APPS."
    )
