"""Prometheus and Alertmanager of the Compose stack run with what the inputs give now, in another
container: the files of receivers are given to it when it is made."""

from __future__ import annotations

import time

import containers
from containers import Container
from debian import ToolError, say

SERVICE = "observability"
PROGRAM = ("python", "-m", "pgstack.targets.observability")
FILES = ("prometheus.yml", "alerts.yml", "alertmanager.yml")
START_SECONDS = 60
"""until Prometheus has read its history"""


def is_older() -> bool:
    """Whether it runs, and not with the files and the inputs that there are."""
    return any(
        container.config_hash != containers.hashes()[SERVICE] or _is_older_than_files(container)
        for container in containers.running(SERVICE)
    )


def _is_older_than_files(container: Container) -> bool:
    paths = [f"{containers.CONF}/{SERVICE}/{name}" for name in FILES]
    return containers.is_older(container, *paths)


def require_sound() -> None:
    """Let a container of its own read what there is. Raises ToolError in the planner's words."""
    done = containers.once(SERVICE, *PROGRAM, "try")
    if done.returncode:
        raise ToolError(containers.last_words(containers.output_of(done)))


def apply() -> None:
    """Replace the container where it is older. Raises ToolError."""
    if not is_older():
        return
    begun = time.monotonic()
    for container in containers.running(SERVICE):
        containers.end(container)
    containers.require("compose", "create", "--no-build", "--no-recreate", SERVICE)
    made = containers.require("compose", "ps", "--all", "--quiet", SERVICE).split()
    containers.require("start", *made)
    if not containers.wait(lambda: _answers(made[0]), START_SECONDS):
        logs = containers.output_of(containers.run("logs", "--tail=3", made[0]))
        raise ToolError(
            "the site runs with what is asked for; Prometheus and Alertmanager do not: "
            f"{containers.last_words(logs)}"
        )
    say(f"restarted Prometheus and Alertmanager in {time.monotonic() - begun:.1f} s")


def _answers(container: str) -> bool:
    return containers.execute(container, *PROGRAM, "check").returncode == 0
