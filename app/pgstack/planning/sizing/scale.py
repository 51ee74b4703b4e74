"""What one stack is sized for, and the arithmetic on sizes that its parts share."""

from __future__ import annotations

from dataclasses import dataclass

KB, MB, GB = 1024, 1024**2, 1024**3

MEMORY_STEP = 16 * MB
"""Memory counts in steps. With each, what a stack needs grows by 8.3 MB at most (the divisors of
the shares), and by less than 7 MB from rounding the seven shares that depend on memory up to MB:
what fits, fits with more."""


@dataclass(frozen=True)
class Scale:
    """`cores` of the `available` ones, and memory in bytes; `limit` says why not all cores, where
    it is so."""

    cores: int
    available: int
    memory: int
    limit: str = ""

    @property
    def text(self) -> str:
        """The cores in words: `3 of 16 cores`."""
        number = (
            str(self.cores) if self.cores == self.available else f"{self.cores} of {self.available}"
        )
        return f"{number} core{'s' if self.available > 1 else ''}"

    @property
    def because(self) -> str:
        """The end of an explanation: why not all cores count."""
        return f". {self.limit}" if self.limit else ""


def size_text(size: int) -> str:
    """`10 MB` of 10,485,760: the largest unit of which it is a whole number."""
    units = {GB: "GB", MB: "MB", KB: "kB"}
    return next(
        (f"{size // unit} {name}" for unit, name in units.items() if size % unit == 0),
        f"{size} bytes",
    )


def clamp(value: int, low: int, high: int) -> int:
    """`value`, at least `low` and at most `high`."""
    return max(low, min(value, high))
