"""Stretches of time that a restore left behind: what was written in them is on a timeline that is
not the latest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgstack.planning import services
from pgstack.planning.services import postgres_program

from . import safe, system
from .safe import StackctlError
from .stack import Stack


@dataclass(frozen=True)
class Left:
    """On `timeline`, from the moment that a restore went back to until the restore, in seconds
    since 1970."""

    timeline: str
    since: float
    until: float


def check(moment: float | None, left: list[Left]) -> None:
    """Refuse a time at which the database was on a timeline that was left: the latest has nothing
    from then."""
    for former in left:
        if moment is not None and former.since < moment < former.until:
            since, until = (
                f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}+00"
                for at in (former.since, former.until)
            )
            raise StackctlError(
                f"An earlier restore, at {until}, went back to {since}; the time that you want is "
                f"between them. What was written then is on timeline {former.timeline}: add "
                f"--timeline {former.timeline} (backup_timeline)."
            )


def directory(stack: Stack) -> Path:
    """Where root alone may write what is known of restores."""
    return Path("/var/lib", services.unit(stack, "restore"))


def _file(stack: Stack) -> Path:
    return directory(stack) / "timelines.json"


def read(stack: Stack) -> list[Left]:
    """What restores have left, oldest first."""
    try:
        return [Left(**noted) for noted in json.loads(_file(stack).read_bytes())]
    except FileNotFoundError:
        return []


def add(stack: Stack, left: Left) -> None:
    """Remember one; the last hundred are kept."""
    file = _file(stack)
    file.parent.mkdir(mode=0o755, exist_ok=True)
    text = (
        json.dumps([asdict(timeline) for timeline in [*read(stack), left]][-100:], indent=2) + "\n"
    )
    safe.write(file, text.encode())


def of(stack: Stack, data: Path) -> str:
    """Number of the timeline of a data directory whose server has stopped. Raises StackctlError."""
    program = postgres_program(stack, "pg_controldata")
    rows = system.require("env", "LC_ALL=C", program, str(data)).splitlines()
    return next(
        row.split(":")[1].strip()
        for row in rows
        if row.startswith("Latest checkpoint's TimeLineID:")
    )
