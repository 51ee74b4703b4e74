"""keepalived: it has the address that visitors come to, or waits for the other balancer to lose
it."""

from __future__ import annotations

from dataclasses import replace

import psutil

from pgstack.planning import services
from pgstack.planning.balancing import Balancing

from . import haproxy, processes, safe, status, system
from .line import Line
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

INTERFACE = "interface.conf"
"""beside keepalived.conf: which interface has this host's address"""


def unit(stack: Stack) -> str:
    """Name of its unit."""
    return services.unit(stack, "keepalived.service")


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was done.

    The other balancer has the address meanwhile, and keeps it.
    """
    interface = _interface(haproxy.part(stack))
    wanted = system.planned_files(stack.conf / "keepalived", UNITS / unit(stack))
    wanted[INTERFACE] = f"$INTERFACE={interface}\n".encode()
    if (
        system.active(unit(stack))
        and not again
        and wanted == safe.contents(stack.live("keepalived"))
    ):
        return "unchanged"
    system.fill(stack.live("keepalived"), wanted)
    system.require("systemctl", "enable", "--quiet", unit(stack))
    system.stop(unit(stack))
    system.start(unit(stack))
    return "runs with the new configuration"


def _interface(part: Balancing) -> str:
    """Which one has this host's address. Raises StackctlError when none has."""
    for name, places in psutil.net_if_addrs().items():
        if part.own in (place.address for place in places):
            return name
    raise StackctlError(
        f"stack_inputs.balancers: {part.member} is to have {part.own}, and this host does not. "
        "Name the address that it has."
    )


def has_address(part: Balancing) -> bool:
    """Whether visitors come to this balancer."""
    places = (place for each in psutil.net_if_addrs().values() for place in each)
    return part.address in (place.address for place in places)


def line(stack: Stack) -> Line:
    """Whether it runs, and where visitors come to."""
    shown = status.of_unit(stack, "keepalived", lambda *_: "")
    part = haproxy.part(stack)
    if not shown.good:
        return shown
    where = "is here" if has_address(part) else "is not here"
    return replace(shown, text=f"{shown.text}, {part.address} {where}")


def outdated(stack: Stack) -> list[str]:
    """Files that it runs and that are gone."""
    return processes.gone(system.main_process(unit(stack))) if system.active(unit(stack)) else []
