"""The project's workers of the Compose stack make room for a change: each ends what it does first,
and they start again with what is new (docs/workers.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import containers
from debian import say

SERVICE = "background"


@contextmanager
def ended() -> Iterator[None]:
    """Within it no worker runs. Afterwards those run that the image and the inputs of now name;
    those of before where that failed. Raises ToolError."""
    before = containers.of(SERVICE)
    for container in before:
        containers.require("stop", container.id)
    try:
        yield
    except BaseException:
        for container in before:
            containers.run("start", container.id)
        raise
    options = ("--detach", "--no-deps", "--no-build", "--force-recreate")
    containers.require("compose", "up", *options, SERVICE)
    if before and containers.plan()["workers"]:
        say("restarted workers, when each had ended what it did")
