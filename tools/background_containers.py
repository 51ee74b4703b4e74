"""The project's workers and scheduled commands of the Compose stack make room for a change: each
ends what it does first, and they start again with what is new (docs/workers.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import containers
import debian
from debian import ToolError, say

SERVICE = "background"


def limit() -> None:
    """Give it the memory that is planned for what runs in it: what takes more is ended, and what
    serves has its own. Raises ToolError."""
    background = containers.plan().background
    if background is None:
        return
    words = (f"--memory={background.memory}", f"--memory-swap={background.memory}")
    for container in containers.running(SERVICE):
        containers.require("update", *words, container.id)


def require_commands() -> None:
    """Raise ToolError for a worker, or an entry of the schedule, whose command the project that was
    built does not have, where what serves would be replaced."""
    if not containers.running("port"):
        return
    words = ("-m", "pgstack.targets.background", "wanted")
    done = containers.once("manage", *words, options=("--entrypoint=python",))
    if done.returncode:
        raise ToolError(containers.last_words(done.stderr.decode(errors="replace")))


@contextmanager
def ended() -> Iterator[None]:
    """Within it nothing of them runs. Afterwards those run that the image and the inputs of now
    name; those of before where that failed. Raises ToolError."""
    before = containers.running(SERVICE)
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
    limit()
    if before and containers.plan().background:
        say("restarted background work, when each had ended what it did")


if __name__ == "__main__":
    debian.main("up", {"require": require_commands, "limit": limit}[sys.argv[1]])
