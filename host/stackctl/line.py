"""What is told of a part of the host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of what is told, and whether it is well."""

    name: str
    text: str
    good: bool = True
