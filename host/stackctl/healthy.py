"""Whether the servers of this host, and its cluster, are as planned: what is waited for between two
hosts that are restarted one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable

from . import membership, registry
from .line import Line
from .stack import Stack

PAUSE_SECONDS = 1.0


def lines(stack: Stack) -> list[Line]:
    """A line for each server of this host, and for its cluster."""
    return [*registry.report(stack), *membership.report(stack)]


def settled(
    stack: Stack, seconds: float, look: Callable[[Stack], list[Line]] = lines
) -> list[Line]:
    """The lines as soon as all are good, or as they are after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        there = look(stack)
        if all(line.good for line in there) or time.monotonic() >= deadline:
            return there
        time.sleep(PAUSE_SECONDS)
