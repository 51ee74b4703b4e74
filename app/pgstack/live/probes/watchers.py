"""Prometheus, Alertmanager and the node exporter (STACK_OBSERVABILITY=full)."""

from __future__ import annotations

import http.client
from contextlib import closing

from pgstack.planning.observability import Observability, Program

ASK_SECONDS = 2


def silent(part: Observability | None, seconds: float = ASK_SECONDS) -> list[str]:
    """A sentence for each that does not answer."""
    programs = part.programs if part else {}
    return [
        f"{name} does not answer at {program.address}"
        for name, program in programs.items()
        if not _answers(program, seconds)
    ]


def _answers(program: Program, seconds: float) -> bool:
    with closing(http.client.HTTPConnection(program.address, timeout=seconds)) as connection:
        try:
            connection.request("GET", program.ready)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
