"""A file that is to be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """One file, with its destination and mode."""

    path: Path
    text: str
    mode: int = 0o644
    secret: bool = False
    """never shown, not even as a difference"""
