"""Restart Valkey of the Compose stack with its changed file; clients of the cache wait it out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import containers
from debian import ToolError, say

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

SERVICE = "valkey"
START_SECONDS = 30


def require_same(plan: Plan) -> None:
    """Raise ToolError where it would have to be started or ended: pages learn of it only with
    their next start."""
    wanted = plan.valkey is not None
    if wanted != bool(containers.running(SERVICE)):
        raise ToolError(
            f"STACK_VALKEY={'on' if wanted else 'off'}: Valkey is started and ended by `make up` "
            "only, and requests fail meanwhile"
        )


def apply() -> None:
    """Bring its file into force, where it runs. Raises ToolError."""
    for server in containers.running(SERVICE):
        begun = time.monotonic()
        containers.require("restart", server.id)
        if not containers.wait(lambda: _answers(server.id), START_SECONDS):  # noqa: B023 - there is one
            logs = containers.output_of(containers.run("logs", "--tail=3", server.id))
            raise ToolError(f"Valkey does not start: {containers.last_words(logs)}")
        say(f"restarted Valkey in {time.monotonic() - begun:.1f} s, while its cache was waited for")


def _answers(container: str) -> bool:
    socket = f"{containers.plan().paths.run_valkey}/valkey.sock"
    return containers.execute(container, "valkey-cli", "-e", "-s", socket, "ping").returncode == 0
