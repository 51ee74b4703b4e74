"""Drills with many more clients than the stack answers at once."""

from __future__ import annotations

import json

from drills.catalogue import console, drill
from drills.load import users
from fixtures.local_stack import LocalStack

STORM = 10
"""times as many clients at once as there are request threads"""


def _storm(stack: LocalStack) -> None:
    web = json.loads((stack.directory / "conf/plan.json").read_text())["web"]
    with users(stack, STORM * web["processes"] * web["threads"], requests_=4) as load:
        pass
    assert not load.failures, load.failures[:3]
    assert load.figures(0).lost == 0


@drill(
    "storm, warm",
    "10 x as many clients at once as request threads, beside the users",
    "nowhere",
    10,
)
def storm_warm(stack: LocalStack) -> None:
    """They wait in Apache's queue."""
    _storm(stack)


@drill(
    "storm, cold",
    "the same right after web processes and backends were killed",
    "apache-error.log",
    15,
)
def storm_cold(stack: LocalStack) -> None:
    """Nothing is connected yet."""
    console(stack, "RECONNECT")
    for process in stack.daemons():
        process.kill()
    stack.wait_until(lambda: len(stack.daemons()) == 2)
    _storm(stack)
