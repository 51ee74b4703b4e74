"""Units of stackctl's own programs: each starts again when its code, its plan or its unit is
another."""

from __future__ import annotations

import shutil
from pathlib import Path

from pgstack.planning import services

from . import safe, system
from .stack import Stack
from .system import UNITS


def bring(stack: Stack, name: str, program: str, again: bool) -> bool:
    """Bring what is wanted into force, or with `again` replace the process; whether it was
    started."""
    unit = services.unit(stack, f"{name}.service")
    wanted = {
        "plan.json": safe.read(stack.conf / "plan.json"),
        "unit": safe.read(UNITS / unit),
        "program": safe.read(Path(stack.names.programs, program)),
    }
    directory = stack.live(name)
    if system.active(unit) and not again and wanted == safe.contents(directory):
        return False
    system.fill(directory, wanted)
    system.stop(unit)
    system.start(unit)
    system.require("systemctl", "enable", "--quiet", unit)
    return True


def take_away(stack: Stack, name: str) -> bool:
    """Stop what an earlier plan had; whether it was there."""
    unit = services.unit(stack, f"{name}.service")
    if not (UNITS / unit).exists():
        return False
    system.require("systemctl", "disable", "--quiet", "--now", unit)
    shutil.rmtree(stack.live(name), ignore_errors=True)
    (UNITS / unit).unlink()
    system.require("systemctl", "daemon-reload")
    return True
