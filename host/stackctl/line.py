"""What is shown of a part of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line, and whether it is good news."""

    name: str
    text: str
    good: bool = True
    which: str = ""
    """of several that have this name"""
    stopped: bool = False
    """whether it does not run at all"""
    remedy: str = ""
    log: str = ""
    """the command that shows what it said"""

    def said(self) -> dict[str, Any]:
        """What is printed, and whether it is well."""
        return {"name": self.name, "text": self.text, "good": self.good}

    def row(self) -> dict[str, Any]:
        """As status has it on every target (pgstack.metrics.screen)."""
        return {
            "name": self.which or self.name,
            "state": "STOPPED" if self.stopped else "RUNNING",
            "works": self.good,
            "trouble": "" if self.good else self.text,
            "told": self.text if self.good else "",
            "log": self.log,
            "remedy": self.remedy,
        }
