"""The unit of what follows the primary: it starts again when its code, its plan or its unit is
another."""

from __future__ import annotations

from pathlib import Path

from pgstack.planning import services

from . import safe, system
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

START_SECONDS = 30


def unit(stack: Stack) -> str:
    """Name of its unit."""
    return services.unit(stack, "follower.service")


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was done.

    Raises StackctlError when it finds no primary.
    """
    if stack.cluster is None:
        raise StackctlError("there is no cluster to follow; nothing was done.")
    wanted = {
        "plan.json": safe.read(stack.conf / "plan.json"),
        "unit": safe.read(UNITS / unit(stack)),
        "program": safe.read(Path(stack.names.programs, "follower")),
    }
    directory = stack.live("follower")
    if system.active(unit(stack)) and not again and wanted == safe.contents(directory):
        return "unchanged"
    system.fill(directory, wanted)
    system.stop(unit(stack))
    system.start(unit(stack))
    system.require("systemctl", "enable", "--quiet", unit(stack))
    link = Path(stack.cluster.follower.run, "databases.ini")
    if not system.wait(link.is_symlink, START_SECONDS):
        raise StackctlError(
            "no member of the cluster leads that this host can ask: "
            f"{', '.join(stack.cluster.members)}. See journalctl -u {unit(stack)}."
        )
    return "runs"
