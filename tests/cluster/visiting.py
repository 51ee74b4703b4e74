"""Users of a site behind balancers, and newcomers beside them: what they saw of a fault."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from balanced_hosts import BALANCERS, WEBS, Balanced
from newcomers import Newcomers, newcomers

from drills import load

LOG = "/var/log/stack/apache-access.log"
GAP_SECONDS = 3
AFTER_SECONDS = 6
"""of load once a fault is over"""
BACK_SECONDS = 120
IN_FLIGHT = 8
"""requests that a lost host may have owed: each user has one at most"""
SINCE = ("systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value")


def states(site: Balanced, balancer: str) -> dict[str, str]:
    """What this balancer says of each web host, by the first word."""
    shown = json.loads(site.hosts[balancer].run("stackctl", "status", "--json", check=False).stdout)
    lines = {line["name"]: line["told"] or line["trouble"] for line in shown["servers"]}
    return {name: lines[name].partition(",")[0].partition(" (")[0] for name in WEBS}


def wait_until_ready(site: Balanced) -> None:
    """Until each balancer that lives has both web hosts."""
    deadline = time.monotonic() + BACK_SECONDS
    while any(set(states(site, name).values()) != {"ready"} for name in BALANCERS):
        assert time.monotonic() < deadline, [states(site, name) for name in BALANCERS]
        time.sleep(1)


def visited(
    site: Balanced, fault: Callable[[], object], seconds: float = AFTER_SECONDS
) -> tuple[load.Figures, Newcomers]:
    """What users and newcomers saw of it and of the seconds after it."""
    with newcomers(lambda: site.page("/db")) as came:
        figures = site.drill(fault, seconds)
    return figures, came


def require_nothing_lost(seen: tuple[load.Figures, Newcomers]) -> None:
    """Nobody noticed anything."""
    figures, came = seen
    assert (figures.failed, figures.lost) == (0, 0), figures
    assert came.failures == [], came


def require_in_flight(seen: tuple[load.Figures, Newcomers]) -> None:
    """Only requests were lost that were on their way, no acknowledged write, and no time."""
    figures, came = seen
    assert figures.lost == 0, figures
    assert figures.failed <= IN_FLIGHT, figures
    assert len(came.failures) <= IN_FLIGHT, came
    assert came.gap < GAP_SECONDS, came


@contextmanager
def drained_meanwhile(site: Balanced) -> Iterator[set[str]]:
    """Web hosts that a balancer was told to lead visitors past."""
    drained, over = set[str](), threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            for balancer in BALANCERS:
                states = site.seen(balancer)
                drained.update(name for name, state in states.items() if state.startswith("DRAIN"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield drained
    finally:
        over.set()
        thread.join()


def booted(site: Balanced) -> dict[str, str]:
    """When each host was."""
    return {name: host.run(*SINCE).stdout for name, host in site.hosts.items()}


def seen_at(site: Balanced) -> dict[str, int]:
    """How many visitors' requests each web host has logged."""
    return {
        name: int(site.hosts[name].run("grep", "-c", site.gateway, LOG, check=False).stdout)
        for name in WEBS
    }
