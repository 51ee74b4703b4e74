"""STACK_LANES: `NAME=PREFIX,PREFIX; …`, with what differs from the defaults behind the prefixes:
`NAME=/reports/,/export/:1x4:pool 2`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any

from pydantic import BeforeValidator

from pgstack.planning.lanes import covers

MOST = 16
"""lanes"""
MOST_EACH = 64
"""processes of a lane, or threads of one of them"""
NAME = re.compile("[a-z][a-z0-9-]{0,19}")
PREFIX = re.compile(r"/[A-Za-z0-9._~/-]*")
EXAMPLE = "reports=/reports/,/export/:1x4:pool 2"
OTHERS = {
    "/static/": "Apache answers it from files",
    "/media/": "Apache answers it from files",
    "/.well-known/": "it is the certificate authority's",
    "/stack/": "it is the stack's own",
    "/healthz": "it is the stack's own",
    "/readyz": "it is the stack's own",
}
"""addresses that no lane can have, and why"""


@dataclass(frozen=True)
class LaneInput:
    """A lane as it was asked for."""

    name: str
    prefixes: tuple[str, ...]
    processes: int = 1
    threads: int = 4
    pool: int | None = None
    """None: the planner decides"""


def parse_lanes(text: object) -> object:
    """The lanes of a list separated by semicolons. Raises ValueError."""
    if not isinstance(text, str):
        return text
    lanes = tuple(_lane(entry.strip()) for entry in text.split(";") if entry.strip())
    if len(lanes) > MOST:
        raise ValueError(f"{len(lanes)} lanes; expected up to {MOST}")
    names = [lane.name for lane in lanes]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two lanes are named {name}; name each once")
    _require_apart([(lane.name, prefix) for lane in lanes for prefix in lane.prefixes])
    return lanes


def _lane(entry: str) -> LaneInput:
    name, separator, rest = (part.strip() for part in entry.partition("="))
    if not separator:
        raise ValueError(f"{entry!r} has no =; expected NAME=PREFIXES, such as {EXAMPLE}")
    if NAME.fullmatch(name) is None:
        raise ValueError(
            f"{name!r} is not the name of a lane: up to 20 of a-z, 0-9 and -, a letter first"
        )
    prefixes, *attributes = (part.strip() for part in rest.split(":"))
    listed = tuple(prefix.strip() for prefix in prefixes.split(","))
    for prefix in listed:
        _require_prefix(name, prefix)
    lane = LaneInput(name, listed, **_attributes(name, attributes))
    threads = lane.processes * lane.threads
    if lane.pool is not None and lane.pool > threads:
        raise ValueError(
            f"{name} has a pool of {lane.pool} backends, but {lane.processes} x {lane.threads} = "
            f"{threads} threads, which never use more than {threads}"
        )
    return lane


def _require_prefix(lane: str, prefix: str) -> None:
    if not prefix.startswith("/"):
        raise ValueError(f"{lane} has the prefix {prefix!r}; it begins with /, such as /reports/")
    if prefix == "/":
        raise ValueError(
            f"{lane} has the prefix /, which is every page: set STACK_PROCESSES, STACK_THREADS and "
            "STACK_POOL_SIZE instead"
        )
    segments = prefix.strip("/").split("/")
    if PREFIX.fullmatch(prefix) is None or {"", ".", ".."} & set(segments):
        raise ValueError(
            f"{lane} has the prefix {prefix!r}; it has letters, digits and ._~- between single "
            "slashes, and neither . nor .. alone"
        )
    for other, reason in OTHERS.items():
        if covers(prefix, other) or covers(other, prefix):
            raise ValueError(f"{lane} has the prefix {prefix}, but of {other}: {reason}")


def _require_apart(prefixes: list[tuple[str, str]]) -> None:
    for (lane, prefix), (other_lane, other) in combinations(prefixes, 2):
        if prefix == other:
            whose = f"{lane} and {other_lane}" if lane != other_lane else f"{lane} twice"
            raise ValueError(f"the prefix {prefix} is that of {whose}; name it once")
        for inner, outer in ((prefix, other), (other, prefix)):
            if covers(outer, inner):
                raise ValueError(
                    f"the prefix {inner} lies below {outer}, so its pages would belong to both; "
                    "leave one of them out"
                )


def _attributes(lane: str, texts: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for text in texts:
        for attribute, value in _attribute(lane, text).items():
            if attribute in said:
                raise ValueError(f"{lane} has two of {attribute}: the second is {text}")
            said[attribute] = value
    return said


def _attribute(lane: str, text: str) -> dict[str, int]:
    if shape := re.fullmatch(r"(\d+)x(\d+)", text):
        counts = {"processes": int(shape[1]), "threads": int(shape[2])}
        for name, count in counts.items():
            if not 1 <= count <= MOST_EACH:
                raise ValueError(f"{lane} has {count} {name}; expected 1 to {MOST_EACH}")
        return counts
    if pool := re.fullmatch(r"pool +(\d+)", text):
        if int(pool[1]) < 1:
            raise ValueError(f"{lane} has a pool of 0 backends; expected 1 or more")
        return {"pool": int(pool[1])}
    raise ValueError(
        f"{lane}:{text} is not known; behind the prefixes there may be 1x4 (processes, threads of "
        "each) and pool 2 (backends)"
    )


Lanes = Annotated[tuple[LaneInput, ...], BeforeValidator(parse_lanes)]
