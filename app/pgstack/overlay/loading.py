"""The project's own settings module, imported in the environment that the plan gives it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from django.core import checks

from pgstack import state
from pgstack.errors import InputError, StackError
from pgstack.overlay import environment, overlay, preamble
from pgstack.overlay.note import Note

CONNECTING = ("OperationalError", "DatabaseError", "InterfaceError", "ConnectionRefusedError")


def load() -> tuple[dict[str, Any], dict[str, Any], list[Note]]:
    """The project's settings, what is laid over them, and what is to be told.

    Raises StackError when the project's module cannot be imported, or cannot be laid over.
    """
    plan = state.current_plan()
    if plan.project is None:
        raise StackError(f"{state.plan_file()}: it plans the demo, which needs no overlay. Set STACK_PROJECT.")
    environment.prepare(plan)
    preamble.run(Path(plan.paths.app, "manage.py"))
    own = _own(plan.project.settings, plan.project.requirements)
    laid_over, notes = overlay(own)
    checks.register(_as_checks(notes), deploy=True)
    return own, laid_over, notes


def _own(module: str, requirements: str) -> dict[str, Any]:
    try:
        found = importlib.import_module(module)
    except StackError:
        raise
    except Exception as error:
        reason = f"{module}: it cannot be imported: {type(error).__name__}: {str(error).strip()}"
        raise InputError(f"{reason}. {remedy(error, requirements)}") from error
    return {name: getattr(found, name) for name in dir(found) if name.isupper()}


def remedy(error: Exception, requirements: str) -> str:
    """What to do where the project's code cannot be imported; `requirements` is the file that was installed."""
    if type(error).__name__ in CONNECTING:
        return "Settings must not open connections: they are read before the database is there. Move it to first use."
    if isinstance(error, ModuleNotFoundError):
        installed = f"{requirements} was" if requirements else "The project has no requirements, so none were"
        return (
            f"{installed} installed: name another file by STACK_REQUIREMENTS, or the directory that its modules are "
            "imported from by STACK_PROJECT."
        )
    return "A variable that it misses belongs into the file that STACK_ENVIRONMENT names."


def _as_checks(notes: list[Note]) -> Any:
    def told(**_: Any) -> list[checks.CheckMessage]:
        return [checks.Info(f"{note.setting}: {note.reason}", note.remedy or None, id="overlay.I001") for note in notes]

    return told
