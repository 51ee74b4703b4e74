"""What a check says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What one check found. `holds` is None when it could not be tried; `remedy` is empty when it
    holds."""

    holds: bool | None
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Finding:
    """An outcome with the name of its check."""

    check: str
    holds: bool | None
    detail: str
    remedy: str


def judge(wrong: Sequence[str], detail: str, remedy: str) -> Outcome:
    """`detail` when nothing is wrong, else everything that is, with the remedy."""
    return Outcome(False, "; ".join(wrong), remedy) if wrong else Outcome(True, detail)
