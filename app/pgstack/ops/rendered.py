"""Rendered files are written: all of them or none, in directories of this account's own."""

from __future__ import annotations

import secrets as random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pgstack.errors import RenderError
from pgstack.ops import replacing
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.rendering import files
from pgstack.rendering.file import File

SECRET_KEY_BYTES = 48


def write(wanted: list[File]) -> list[Path]:
    """Write what differs and return its paths.

    All files are written beside their places first and moved in only when every one is complete, so
    a full disk leaves the old set as it was. Raises RenderError naming file, reason and remedy.
    """
    path = Path()
    try:
        changed = [file for file in wanted if files.difference([file])]
        for file in changed:
            path = file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            _stage(file)
        for file in changed:
            path = file.path
            with replacing.directory(path.parent) as parent:
                replacing.put_in_place(parent, path.name)
    except OSError as error:
        raise RenderError(
            f"{path}: {error.strerror}; the files that were there are unchanged. "
            "Free the space or the rights and try again."
        ) from error
    finally:
        _sweep(wanted)
    return [file.path for file in changed]


def present(wanted: list[File]) -> list[File]:
    """Those that are there, as they are. What cannot be read as text was not rendered: there is
    nothing to go back to."""
    there = []
    for file in wanted:
        with suppress(OSError, UnicodeDecodeError):
            there.append(replace(file, text=file.path.read_text()))
    return there


@contextmanager
def as_before_on_error(wanted: list[File]) -> Iterator[None]:
    """What is written within it stays when all of it succeeds; else what was there is there
    again."""
    there = present(wanted)
    try:
        yield
    except BaseException:
        write(there)
        raise


def _stage(file: File) -> None:
    fresh = replacing.fresh_name(file.path.name)
    with replacing.directory(file.path.parent) as parent:
        replacing.remove(parent, fresh)  # one that a killed run left may be closed to writing
        replacing.make(parent, fresh, file.text.encode(), file.mode)


def _sweep(wanted: list[File]) -> None:
    """Remove what is left beside the files, by this run or by one that was killed."""
    for file in wanted:
        with suppress(OSError), replacing.directory(file.path.parent) as parent:
            replacing.remove(parent, replacing.fresh_name(file.path.name))


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
