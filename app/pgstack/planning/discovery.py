"""What a project's directory says of itself, where the inputs do not."""

from __future__ import annotations

import re
from pathlib import Path

from pgstack.errors import InputError
from pgstack.planning import dependencies, hardware, layout, targets
from pgstack.planning.config import StackConfig

NAMED = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*(?:,|\]\s*=)\s*["']([A-Za-z_][\w.]*)["']""")
"""how manage.py names the settings, by `setdefault` or by an assignment"""


def complete(config: StackConfig) -> StackConfig:
    """`config` with the settings module and the requirements of its project.

    Raises InputError for what is not there. What a host serves may be elsewhere, and its release
    looks after the rest.
    """
    if config.project is None:
        return config
    directory = layout.project_directory(config)
    target = targets.of(config.target)
    if target.project_elsewhere:
        there = config.settings is None and (directory / "manage.py").is_file()
        return (
            config.model_copy(update={"settings": settings_module(directory)}) if there else config
        )
    if not directory.is_dir():
        raise InputError(
            f"STACK_PROJECT={config.project}: no such directory. Name the one that manage.py is in."
        )
    if config.environment and not (layout.CHECKOUT / config.environment).exists():
        raise InputError(
            f"STACK_ENVIRONMENT={config.environment}: no such file. Name a file of NAME=value "
            "lines."
        )
    _require_python(directory, config)
    return config.model_copy(
        update={
            "settings": config.settings or settings_module(directory, target.no_project),
            "requirements": _requirements(directory, config.requirements),
        }
    )


def settings_module(directory: Path, no_project: str = "") -> str:
    """The settings module that manage.py names.

    Raises InputError; `no_project` is a target's own remedy where there is nothing.
    """
    file = directory / "manage.py"
    try:
        named = NAMED.search(file.read_text())
    except FileNotFoundError:
        below = sorted(path.parent for path in directory.glob("*/manage.py"))
        remedy = (
            f"Did you mean {below[0]}?"
            if below
            else "Set STACK_SETTINGS to the project's settings module."
        )
        if no_project and not below:
            remedy += f" {no_project}"
        raise InputError(f"{directory}: there is no manage.py in it. {remedy}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}. Make it readable.") from None
    if named is None:
        raise InputError(
            f"{file}: it names no settings module. Set STACK_SETTINGS to the project's."
        )
    return named[1]


def _requirements(directory: Path, named: str | None) -> str:
    if named is None:
        try:
            return dependencies.usual(directory)
        except dependencies.DependencyError as error:
            raise InputError(str(error)) from None
    if not (directory / named).is_file():
        raise InputError(
            f"STACK_REQUIREMENTS={named}: no such file in {directory}. Name one that is in it."
        )
    return named


def _require_python(directory: Path, config: StackConfig) -> None:
    """Raise InputError where the project is not for the Python that mod_wsgi runs."""
    debian = config.debian or hardware.detect(config).debian
    if debian in layout.VERSIONS:
        try:
            dependencies.require_python(directory, layout.VERSIONS[debian].python)
        except dependencies.DependencyError as error:
            raise InputError(str(error)) from None
