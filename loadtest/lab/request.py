"""What the lab is told by the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loadtest import inputs
from loadtest.lab.model import REFERENCE
from loadtest.lab.strategies import QUICK, STRATEGIES
from pgstack.errors import InputError

LARGEST_SEED = 999_999_999
QUICK_BLOCKS, FULL_BLOCKS = 3, 10
QUICK_SECONDS, FULL_SECONDS = 4, 8
SHORT = {"reconnect": "reconnect-tcp", "pgbouncer": REFERENCE}
"""names for those who do not want to choose between variants"""


@dataclass(frozen=True)
class Request:
    """One run of the lab. `full` adds the ladder and the open loops."""

    strategies: tuple[str, ...]
    page: str
    users: int
    blocks: int
    seconds: int
    seed: int
    full: bool
    shared: bool
    resume: bool


def request(environment: Mapping[str, str], seed: int) -> Request:
    """The run that `environment` asks for; `seed` where it names none. Raises InputError naming the variable."""
    full = _flag(environment, "FULL")
    load = inputs.load(environment)
    names = _names(environment, tuple(STRATEGIES) if full else QUICK)
    return Request(
        names, load.page, load.users,
        inputs.number(environment, "BLOCKS", FULL_BLOCKS if full else QUICK_BLOCKS, 1, 1000),
        inputs.number(environment, "SECONDS", FULL_SECONDS if full else QUICK_SECONDS, 1, 600),
        inputs.number(environment, "SEED", seed, 0, LARGEST_SEED),
        full, _flag(environment, "SHARED"), _flag(environment, "RESUME"),
    )  # fmt: skip


def _names(environment: Mapping[str, str], default: tuple[str, ...]) -> tuple[str, ...]:
    """The strategies in the order of the report; the reference is always among them."""
    asked = [name.strip() for name in environment.get("STRATEGIES", "").split(",") if name.strip()]
    if asked == ["all"]:
        return tuple(STRATEGIES)
    names = [SHORT.get(name, name) for name in asked]
    for name, short in zip(names, asked, strict=True):
        if name not in STRATEGIES:
            raise InputError(f"STRATEGIES: {short}: no such strategy. There are all, {', '.join(STRATEGIES)}.")
        if names.count(name) > 1:
            raise InputError(f"STRATEGIES: {short}: named twice. Name each once.")
    return tuple(name for name in STRATEGIES if name in (names or default) or name == REFERENCE)


def _flag(environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name, "").strip().lower()
    if not re.fullmatch("(1|yes|true|0|no|false)?", value):
        raise InputError(f"{name}={environment[name]}: neither 1 nor 0. Leave it out for 0.")
    return value in ("1", "yes", "true")
