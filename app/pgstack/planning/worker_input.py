"""STACK_WORKERS: `NAME=COMMAND; …`, with what differs from the defaults behind the name:
`NAME:2x4:300m:INT:90s=COMMAND`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from pgstack.planning.input_types import parse_size

NAME = re.compile("[a-z][a-z0-9-]{0,19}")
MOST = 64
"""processes of a worker, or threads of one of them"""
SMALLEST_BYTES = 16 * 1024**2
"""Python alone takes as much"""
SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH")
LONGEST_GRACE_SECONDS = 3600
EXAMPLE = "celery:1x2:300m=celery -A shop worker --concurrency=2"
ATTRIBUTES = "2 or 2x4 (processes, threads of each), 300m (memory), INT (signal), 90s (grace)"


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
    if not isinstance(text, str):
        return text
    workers: dict[str, WorkerInput] = {}
    for entry in filter(str.strip, text.split(";")):
        found = _worker(entry.strip())
        if found.name in workers:
            raise ValueError(f"two workers are named {found.name}; name each once")
        workers[found.name] = found
    return tuple(workers.values())


def _worker(entry: str) -> WorkerInput:
    head, separator, command = entry.partition("=")
    if not separator:
        raise ValueError(f"{entry!r} has no =; expected NAME=COMMAND, such as {EXAMPLE}")
    name, *attributes = (part.strip() for part in head.split(":"))
    if NAME.fullmatch(name) is None:
        raise ValueError(
            f"{name!r} is not the name of a worker: up to 20 of a-z, 0-9 and -, a letter first"
        )
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise ValueError(
            f"the command of {name} cannot be split: {error}; a ; begins the next worker, "
            "between quotes too"
        ) from None
    if not words:
        raise ValueError(f"{name} has no command; expected one behind the =")
    return WorkerInput(name, words, **_attributes(name, attributes))


def _attributes(worker: str, texts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        match, read = _read(worker, text)
        for name, value in read(worker, match).items():
            if name in found:
                raise ValueError(f"{worker} has two of {name}: the second is {text}")
            found[name] = value
    return found


def _read(worker: str, text: str) -> tuple[re.Match[str], Callable[..., dict[str, Any]]]:
    for pattern, read in READERS.items():
        if match := re.fullmatch(pattern, text):
            return match, read
    raise ValueError(f"{worker}:{text} is not known; behind a name there may be {ATTRIBUTES}")


def _counts(worker: str, match: re.Match[str]) -> dict[str, Any]:
    found = {
        name: int(text)
        for name, text in zip(("processes", "threads"), match.groups(), strict=True)
        if text is not None
    }
    for name, count in found.items():
        if not 1 <= count <= MOST:
            raise ValueError(f"{worker} has {count} {name}; expected 1 to {MOST}")
    return dict(found)


def _memory(worker: str, match: re.Match[str]) -> dict[str, Any]:
    size = int(str(parse_size(match[0])))
    if size < SMALLEST_BYTES:
        raise ValueError(
            f"{worker} has {match[0]} of memory; expected {SMALLEST_BYTES >> 20}m or more"
        )
    return {"memory": size}


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


READERS = {
    r"(\d+)(?:x(\d+))?": _counts,
    r"\d+[kmgtKMGT](?:i?[bB])?": _memory,
    r"(\d+)s": _grace,
    r"(?:SIG)?([A-Z]+[12]?)": _signal,
}
"""by the shape of what stands behind a name"""

Workers = Annotated[tuple[WorkerInput, ...], BeforeValidator(parse_workers)]
