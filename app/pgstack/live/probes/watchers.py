"""Prometheus, Alertmanager and the node exporter (STACK_OBSERVABILITY=full)."""

from __future__ import annotations

from http import HTTPStatus

from pgstack.errors import ProbeError
from pgstack.live.probes import answers
from pgstack.planning.observability import LOOPBACK, Observability, Program

ASK_SECONDS = 2


def silent(part: Observability | None, seconds: float = ASK_SECONDS) -> list[str]:
    """A sentence for each that does not answer."""
    programs = part.programs if part else {}
    return [
        f"{name} does not answer at {program.address}"
        for name, program in programs.items()
        if not _answers(name, program, seconds)
    ]


def _answers(name: str, program: Program, seconds: float) -> bool:
    try:
        answer = answers.ask(name, (LOOPBACK, program.port), program.ready, seconds)
    except ProbeError:
        return False
    return answer.status == HTTPStatus.OK
