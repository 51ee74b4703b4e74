"""The project's commands that run beside its pages: whether a release has them."""

from __future__ import annotations

from pathlib import Path

from pgstack.ops import commands
from pgstack.planning.asked import asked_by
from pgstack.planning.background import UNKNOWN

from . import system
from .safe import StackctlError
from .stack import Stack


def require(stack: Stack, release: Path) -> None:
    """Raise StackctlError for a command that a release does not have."""

    def wrong(name: str) -> str:
        asked = ("env", f"STACK_RELEASE={release}", stack.names.manage, "help", name)
        return commands.unknown(name) if UNKNOWN in system.run(*asked).stderr else ""

    for planned in stack.commands:
        if reason := commands.missing(planned.command, f"{release}/venv/bin", wrong):
            raise StackctlError(
                f"{asked_by(stack, planned)}: {planned.name}: {reason} What served before serves "
                "on."
            )
