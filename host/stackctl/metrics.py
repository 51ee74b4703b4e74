"""The exporter: root's code in a unit of its own."""

from __future__ import annotations

from pgstack.errors import ProbeError
from pgstack.live.probes import exporter
from pgstack.planning import services

from . import own_units, system
from .safe import StackctlError
from .stack import Stack

START_SECONDS = 10
"""until it answers: a second of it is Python, two are a source that does not answer"""


def unit(stack: Stack) -> str:
    """Name of its unit."""
    return services.unit(stack, "metrics.service")


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was
    done. Raises StackctlError when it does not answer."""
    if not own_units.bring(stack, "metrics", "exporter", again):
        return "unchanged"
    if not system.wait(lambda: not trouble(stack, START_SECONDS), START_SECONDS):
        raise StackctlError(
            f"the exporter does not answer: {trouble(stack, START_SECONDS)}; pages are served. "
            f"See journalctl -u {unit(stack)}"
        )
    return "runs"


def trouble(stack: Stack, seconds: float) -> str:
    """What is wrong with it; empty when it answers. What its sources say is not its fault."""
    if stack.metrics is None:
        return ""
    try:
        known = exporter.sources(exporter.scrape(stack.metrics, seconds))
    except ProbeError as error:
        return str(error)
    return "" if known else "exporter: it says nothing of any server"
