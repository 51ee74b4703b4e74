"""Static files and uploads, where Apache finds them."""

from __future__ import annotations

from typing import Any

from pgstack import settings as stack
from pgstack.overlay.note import Note

STATIC_URL, MEDIA_URL = "/static/", "/media/"
"""what Apache serves by itself (apache/site.conf.j2)"""
FILES = "django.core.files.storage.FileSystemStorage"


def overlay(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """STATIC_ROOT and STATIC_URL, MEDIA_ROOT and MEDIA_URL; storages and addresses elsewhere stay
    as they are."""
    settings: dict[str, Any] = {"STATIC_ROOT": stack.static_root()}
    notes = []
    if not _elsewhere(own.get("STATIC_URL")):
        settings["STATIC_URL"] = STATIC_URL
        notes += _moved("STATIC_URL", own.get("STATIC_URL"), STATIC_URL)
    url = own.get("MEDIA_URL")
    if not _elsewhere(url) and _storage(own) == FILES:
        # Uploads that have no address are none of the public's.
        settings["MEDIA_ROOT"] = stack.media_root(public=bool(url))
        settings |= {"MEDIA_URL": MEDIA_URL} if url else {}
        notes += _moved("MEDIA_URL", url, MEDIA_URL)
    return settings, notes


def _elsewhere(url: str | None) -> bool:
    """Whether another server has these files."""
    return bool(url) and (str(url).startswith("//") or "://" in str(url))


def _storage(own: dict[str, Any]) -> str:
    return str((own.get("STORAGES") or {}).get("default", {}).get("BACKEND", FILES))


def _moved(name: str, url: str | None, to: str) -> list[Note]:
    if not url or f"/{url.strip('/')}/" == to:
        return []
    return [
        Note(
            name,
            f"{to} takes the place of {url}, for Apache serves that.",
            "Addresses made by Django follow.",
        )
    ]
