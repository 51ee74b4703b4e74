"""How files on disk differ from what is wanted."""

from __future__ import annotations

import difflib
import hashlib

from pgstack.errors import RenderError
from pgstack.rendering.file import File


def fingerprint(wanted: list[File]) -> str:
    """SHA-256 of paths, texts and modes: the same for the same configuration."""
    return hashlib.sha256(repr(wanted).encode()).hexdigest()


def difference(wanted: list[File]) -> str:
    """Unified diff from the files on disk to `wanted`; empty when they agree in text and mode."""
    return "".join(_difference(file) for file in wanted)


def _difference(file: File) -> str:
    try:
        content, mode = (
            file.path.read_bytes().decode(errors="replace"),
            file.path.stat().st_mode & 0o777,
        )
    except FileNotFoundError:
        content, mode = "", file.mode
    except OSError as error:
        raise RenderError(
            f"{file.path}: {error.strerror}. Move it away: a rendered file belongs there."
        ) from None
    name = str(file.path)
    if file.secret and content != file.text:
        return f"{name}: the content differs\n"
    diff = "".join(
        difflib.unified_diff(content.splitlines(True), file.text.splitlines(True), name, name)
    )
    return diff + (f"{name}: mode {mode:o} should be {file.mode:o}\n" if mode != file.mode else "")
