"""Files on disk: how they differ from what is wanted, and writing them, atomic and idempotent."""

from __future__ import annotations

import difflib
import hashlib
import os
import secrets as random
from contextlib import suppress
from pathlib import Path

from pgstack.errors import RenderError
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.rendering.file import File

SECRET_KEY_BYTES = 48


def fingerprint(wanted: list[File]) -> str:
    """SHA-256 of paths, texts and modes: the same for the same configuration."""
    return hashlib.sha256(repr(wanted).encode()).hexdigest()


def difference(wanted: list[File]) -> str:
    """Unified diff from the files on disk to `wanted`; empty when they agree in text and mode."""
    return "".join(_difference(file) for file in wanted)


def _difference(file: File) -> str:
    try:
        found, mode = (
            file.path.read_bytes().decode(errors="replace"),
            file.path.stat().st_mode & 0o777,
        )
    except FileNotFoundError:
        found, mode = "", file.mode
    except OSError as error:
        raise RenderError(
            f"{file.path}: {error.strerror}. Move it away: a rendered file belongs there."
        ) from None
    name = str(file.path)
    if file.secret and found != file.text:
        return f"{name}: the content differs\n"
    diff = "".join(
        difflib.unified_diff(found.splitlines(True), file.text.splitlines(True), name, name)
    )
    return diff + (f"{name}: mode {mode:o} should be {file.mode:o}\n" if mode != file.mode else "")


def write(wanted: list[File]) -> list[Path]:
    """Write what differs and return its paths.

    All files are written beside their places first and moved in only when every one is complete, so
    a full disk leaves the old set as it was. Raises RenderError naming file, reason and remedy.
    """
    path = Path()
    try:
        changed = [file for file in wanted if _difference(file)]
        for file in changed:
            path = file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            _stage(file)
        for file in changed:
            path = file.path
            _beside(path).replace(path)
    except OSError as error:
        raise RenderError(
            f"{path}: {error.strerror}; the files that were there are unchanged. "
            "Free the space or the rights and try again."
        ) from error
    finally:
        _sweep(wanted)
    return [file.path for file in changed]


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _stage(file: File) -> None:
    # Nobody else reads it before it has its mode.
    _beside(file.path).unlink(
        missing_ok=True
    )  # one that a killed run left may be closed to writing
    with open(
        _beside(file.path), "w", opener=lambda path, flags: os.open(path, flags, 0o600)
    ) as handle:
        handle.write(file.text)
        handle.flush()
        os.fchmod(handle.fileno(), file.mode)
        os.fsync(handle.fileno())


def _sweep(wanted: list[File]) -> None:
    """Remove what is left beside the files, by this run or by one that was killed."""
    for file in wanted:
        with suppress(OSError):
            _beside(file.path).unlink()


def ensure_secrets(plan: Plan) -> None:
    """Make the directory of secrets and Django's secret key in it; keep a key that exists."""
    directory = Path(plan.paths.secrets)
    key = directory / layout.SECRET_KEY
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not key.exists():
            write([File(key, random.token_urlsafe(SECRET_KEY_BYTES) + "\n", 0o440)])
    except OSError as error:
        raise RenderError(
            f"{error.filename or directory}: {error.strerror}. Free the space or the rights and "
            f"try again."
        ) from error
