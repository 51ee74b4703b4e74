"""The plan in the settings of a project that was not written for it.

`pgstack.overlay.settings` is the settings module of every project but the demo: it imports the
project's own and lays over it what depends on the stack. The project's files stay as they are. What
was changed against the project's word is a `Note`; what cannot be laid over raises StackError.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import django

from pgstack.errors import InputError
from pgstack.overlay import applications, caches, databases, files, listening, logs, security
from pgstack.overlay.note import Note

DJANGO = (5, 2)
"""the oldest that it is tested with"""
Settings = dict[str, Any]
PARTS: tuple[Callable[[Settings], tuple[Settings, list[Note]]], ...] = (
    databases.overlay,
    caches.overlay,
    applications.overlay,
    listening.overlay,
    files.overlay,
    security.overlay,
    logs.overlay,
)


def overlay(own: Settings) -> tuple[Settings, list[Note]]:
    """What the plan says instead of the project's `own` settings, and what is worth telling of it.

    Laid over twice it is the same. Raises StackError for what cannot be laid over.
    """
    if django.VERSION < DJANGO:
        raise InputError(
            f"Django {django.__version__}: the stack is made for 5.2 and later. Upgrade the "
            f"project's."
        )
    overlaid: Settings = {}
    notes: list[Note] = []
    for part in PARTS:
        settings, told = part(own)
        overlaid |= {name: _alike(value, own.get(name)) for name, value in settings.items()}
        notes += told
    return overlaid, notes


def _alike(value: Any, own: Any) -> Any:
    """`value` of the type that the project has: its own code adds to a tuple, or asks a path for
    what is below it."""
    if isinstance(value, str) and isinstance(own, PurePath | str):
        return type(own)(value)
    return (
        type(own)(value)
        if isinstance(value, list) and isinstance(own, tuple | set | frozenset)
        else value
    )


def integrate(namespace: Settings) -> None:
    """The same from within a settings module, as its last line: `integrate(globals())` (see
    pgstack.init).

    Where no plan is named the settings stay as they are: on a developer's machine, say.
    """
    if "STACK_PLAN" in os.environ:
        namespace.update(overlay(namespace)[0])
