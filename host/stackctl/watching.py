"""The unit of what ends the lease of a leader whose host is lost, where members have it."""

from __future__ import annotations

from . import own_units
from .stack import Stack

NAME = "silence"


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was
    done."""
    if NAME in stack.services:
        return "runs" if own_units.bring(stack, NAME, NAME, again) else "unchanged"
    return "taken away" if own_units.take_away(stack, NAME) else "unchanged"
