"""The cache in Valkey, where that is planned."""

from __future__ import annotations

from typing import Any

from pgstack import settings as stack
from pgstack.overlay.note import Note
from pgstack.planning.state import current_plan


def overlay(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """CACHES, where the project has none: what it says itself stays, as it may cache elsewhere, or
    nowhere."""
    part, caches = current_plan().valkey, own.get("CACHES")
    if part is None:
        return {}, []
    if not caches:
        return {"CACHES": stack.caches()}, []
    elsewhere = [name for name, cache in caches.items() if part.socket not in str(cache)]
    return {}, [
        Note(
            f"CACHES[{name!r}]",
            "it stays as it is, and is not in the stack's Valkey.",
            "That is at VALKEY_URL; a project without CACHES has its cache there.",
        )
        for name in elsewhere
    ]
