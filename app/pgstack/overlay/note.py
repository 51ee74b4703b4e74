"""What the overlay tells of one setting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """A setting that is not as the project has it: why, and what to do where that matters."""

    setting: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.setting}: {self.reason} {self.remedy}".strip()
