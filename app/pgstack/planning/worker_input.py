"""STACK_WORKERS: `NAME=COMMAND; …`, with what differs from the defaults behind the name:
`NAME:2x4:300m:INT:90s=COMMAND`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from pgstack.planning import named_commands

MOST = 64
"""processes of a worker, or threads of one of them"""
SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH")
LONGEST_GRACE_SECONDS = 3600


@dataclass(frozen=True)
class WorkerInput:
    """One worker as it was asked for; None where the planner decides."""

    name: str
    command: tuple[str, ...]
    processes: int = 1
    threads: int = 1
    memory: int | None = None
    stop_signal: str | None = None
    grace: int | None = None


def parse_workers(text: object) -> object:
    """The workers of a list separated by semicolons."""
    return named_commands.parse(text, FORM, _worker) if isinstance(text, str) else text


def _worker(name: str, words: list[str], attributes: dict[str, Any]) -> WorkerInput:
    if not words:
        raise ValueError(f"{name} has no command; expected one behind the =")
    return WorkerInput(name, tuple(words), **attributes)


def _counts(worker: str, match: re.Match[str]) -> dict[str, Any]:
    counts = {
        name: int(text)
        for name, text in zip(("processes", "threads"), match.groups(), strict=True)
        if text is not None
    }
    for name, count in counts.items():
        if not 1 <= count <= MOST:
            raise ValueError(f"{worker} has {count} {name}; expected 1 to {MOST}")
    return dict(counts)


def _grace(worker: str, match: re.Match[str]) -> dict[str, Any]:
    if not 1 <= int(match[1]) <= LONGEST_GRACE_SECONDS:
        raise ValueError(
            f"{worker} has a grace of {match[0]}; expected 1s to {LONGEST_GRACE_SECONDS}s"
        )
    return {"grace": int(match[1])}


def _signal(worker: str, match: re.Match[str]) -> dict[str, Any]:
    if match[1] not in SIGNALS:
        raise ValueError(f"{worker} has the signal {match[0]}; expected {', '.join(SIGNALS)}")
    return {"stop_signal": match[1]}


FORM = named_commands.Form(
    singular="a worker",
    many="workers",
    name=re.compile("[a-z][a-z0-9-]{0,19}"),
    name_form="up to 20 of a-z, 0-9 and -, a letter first",
    expected="COMMAND",
    example="celery:1x2:300m=celery -A shop worker --concurrency=2",
    readers={
        r"(\d+)(?:x(\d+))?": _counts,
        r"\d+[kmgtKMGT](?:i?[bB])?": named_commands.memory,
        r"(\d+)s": _grace,
        r"(?:SIG)?([A-Z]+[12]?)": _signal,
    },
    attributes="2 or 2x4 (processes, threads of each), 300m (memory), INT (signal), 90s (grace)",
)

Workers = Annotated[tuple[WorkerInput, ...], BeforeValidator(parse_workers)]
