"""An inequality that makes a plan sound, and how it is written with its numbers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Invariant:
    """One inequality with its numbers filled in."""

    name: str
    holds: bool
    arithmetic: str
    remedy: str


def at_most(
    name: str, left: int, left_text: str, right: int, right_text: str, remedy: str
) -> Invariant:
    """`left` ≤ `right`, each with the sum that it is in words; `remedy` is a sentence."""
    sign = "≤" if left <= right else ">"
    return Invariant(
        name, left <= right, f"{left_text} = {left} {sign} {right} = {right_text}", remedy
    )


def ascending(name: str, chain: dict[str, float]) -> Invariant:
    """Each of the named seconds is less than the next."""
    values = list(chain.values())
    holds = all(left < right for left, right in itertools.pairwise(values))
    text = " < ".join(f"{key} {value:g}" for key, value in chain.items())
    return Invariant(name, holds, text if holds else f"not {text}", "Raise STACK_REQUEST_TIMEOUT.")
