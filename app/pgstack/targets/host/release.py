"""A release: its name, by what is in it, and its files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pgstack.errors import InputError
from pgstack.planning import dependencies, layout

SHIPPED = (
    "app",
    "postgres",
    "pgbouncer",
    "apache",
    "valkey",
    "host",
    "observability",
    "requirements",
)
"""what a release holds of the checkout"""
UNWANTED = frozenset(
    {
        "__pycache__",
        ".git",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".venv",
        "venv",
        "node_modules",
    }
)
"""names that are left out wherever they are"""


def of_project(project: dict[str, Any], source: str, python: str) -> dict[str, Any]:
    """A release of the checkout and of the project below `source`, for a host with this version of
    Python: its name, by what is in it, and the files of both.

    `environment` says what decides its virtual environment, if that may be one that releases share.
    Raises InputError when the project has not what it is said to have.
    """
    ours = _files(layout.CHECKOUT, SHIPPED)
    if source and not Path(source).is_dir():
        raise InputError(
            f"stack_inputs.project.directory: {project['directory']}: no directory of "
            f"{project['shown']}. Name "
            "the one that holds manage.py."
        )
    theirs = _files(Path(source), (".",)) if source else []
    named = _requirements(project, source, theirs) if source else ""
    said = named, project["commands"], project["build"], python
    content = hashlib.sha256(repr(said).encode())
    for root, names in ((layout.CHECKOUT, ours), (Path(source), theirs)):
        for name in names:
            path = root / name
            known = path.readlink().as_posix().encode() if path.is_symlink() else path.read_bytes()
            content.update(f"{name} {hashlib.sha256(known).hexdigest()}\n".encode())
    return {
        "id": content.hexdigest()[:12],
        "ours": ours,
        "theirs": theirs,
        "source": source,
        "environment": "" if project["build"] else _environment(Path(source), named),
    }


def _environment(source: Path, named: str) -> str:
    """Of what an environment is made, as one word; empty where more decides that than the files of
    requirements."""
    try:
        texts = dependencies.texts(source, named)
    except dependencies.DependencyError:  # the build says so
        return ""
    inside = all((source / name).resolve().is_relative_to(source.resolve()) for name in texts)
    shareable = inside and dependencies.from_index(texts)
    return dependencies.digest(layout.REQUIREMENTS, texts) if shareable else ""


def _requirements(project: dict[str, Any], source: str, theirs: list[str]) -> str:
    """The file that says what the project needs. Raises InputError."""
    if not project["requirements"]:
        try:
            return dependencies.usual(Path(source))
        except dependencies.DependencyError as error:
            raise InputError(f"stack_inputs.project: {error}") from error
    if project["requirements"] not in theirs:
        raise InputError(
            f"stack_inputs.project.requirements: {project['requirements']}: not in "
            f"{project['shown']}, "
            f"directory {project['directory']}. Name one that is."
        )
    return str(project["requirements"])


def _files(root: Path, folders: tuple[str, ...]) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for folder in folders
        for path in (root / folder).rglob("*")
        if (path.is_file() or path.is_symlink())
        and not UNWANTED & set(path.relative_to(root).parts)
    )
