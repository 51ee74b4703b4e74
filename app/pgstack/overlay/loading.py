"""The project's own settings module, imported in the environment that the plan gives it."""

from __future__ import annotations

import importlib
import io
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core import checks
from django.core.management import call_command
from django.core.servers.basehttp import get_internal_wsgi_application
from django.urls import get_resolver
from django.utils.functional import empty

from pgstack import settings as stack
from pgstack.errors import InputError, StackError
from pgstack.overlay import environment, overlay, preamble
from pgstack.overlay.note import Note
from pgstack.planning import state
from pgstack.serving import tracebacks

CONNECTING = ("OperationalError", "DatabaseError", "InterfaceError", "ConnectionRefusedError")
NOT_COLLECTED = "Missing staticfiles manifest entry"
"""how Django says that a file is not in the manifest, or there is none"""


def load() -> tuple[dict[str, Any], dict[str, Any], list[Note]]:
    """The project's settings, what is laid over them, and what is to be told.

    Raises StackError when the project's module cannot be imported, or cannot be laid over.
    """
    plan = state.current_plan()
    if plan.project is None:
        raise StackError(
            f"{state.plan_file()}: it plans the demo, which needs no overlay. Set STACK_PROJECT."
        )
    environment.prepare(plan)
    preamble.run(stack.project_root() / "manage.py")
    environment.prepare(plan)  # it may have read a file of variables for a developer's machine
    own = _project_settings(plan.project.settings, plan.project.requirements)
    laid_over, notes = overlay(own)
    checks.register(_as_checks(notes), deploy=True)
    return own, laid_over, notes


def _project_settings(module: str, requirements: str) -> dict[str, Any]:
    try:
        with _as_djangos(module):
            imported = importlib.import_module(module)
    except StackError:
        raise
    except Exception as error:
        reason = f"{module}: it cannot be imported: {_reason(error)}"
        raise InputError(f"{reason}. {_remedy(error, requirements)}") from error
    return {name: getattr(imported, name) for name in dir(imported) if name.isupper()}


@contextmanager
def _as_djangos(module: str) -> Iterator[None]:
    """What code that it imports finds in `django.conf.settings` meanwhile, as without the overlay:
    what the module has set so far. Django reads them again afterwards."""
    before = os.environ.get(ENVIRONMENT_VARIABLE)
    os.environ[ENVIRONMENT_VARIABLE] = module
    try:
        yield
    finally:
        if before is None:
            del os.environ[ENVIRONMENT_VARIABLE]
        else:
            os.environ[ENVIRONMENT_VARIABLE] = before
        settings._wrapped = empty  # noqa: SLF001 - Django has no other way to forget them


def begin() -> None:
    """Load the apps, the views and the WSGI application, and run the checks. Raises InputError for
    what fails.

    One that opens a connection, or asks for the name of a collected file, is not judged: this comes
    before either is there.
    """
    project = state.current_plan().project
    try:
        django.setup()
        call_command("check", stderr=io.StringIO(), stdout=io.StringIO())
        get_resolver().url_patterns  # noqa: B018 - the property imports every view
        if project and project.wsgi:
            importlib.import_module(project.wsgi)
        else:
            get_internal_wsgi_application()
    except Exception as error:
        if type(error).__name__ in CONNECTING or str(error).startswith(NOT_COLLECTED):
            return
        missing = isinstance(error, ModuleNotFoundError)
        todo = _remedy(error, project.requirements if project else "") if missing else "Fix it."
        raise InputError(
            f"{stack.project_root()}: it cannot be loaded: {_reason(error)}. {todo}"
        ) from error


def _reason(error: Exception) -> str:
    return tracebacks.reason(
        "".join(traceback.format_exception(error)), stack.project_root().resolve()
    )


def _remedy(error: Exception, requirements: str) -> str:
    """What to do where the project's code cannot be imported; `requirements` is the file that was
    installed."""
    if type(error).__name__ in CONNECTING:
        return (
            "Settings must not open connections: they are read before the database is there. Move "
            "it to first use."
        )
    if isinstance(error, ModuleNotFoundError):
        installed = (
            f"{requirements} was"
            if requirements
            else "The project has no requirements, so none were"
        )
        return (
            f"{installed} installed: name another file by STACK_REQUIREMENTS, or the directory "
            f"that its modules are "
            "imported from by STACK_PROJECT."
        )
    if isinstance(error, PermissionError):
        return (
            "Pages, workers and management commands run as several accounts of one group: a file "
            "that they share must be readable by the group, and what one of them writes lies in a "
            "directory of STACK_DATA."
        )
    return "A variable that it needs belongs in the file that STACK_ENVIRONMENT names."


def _as_checks(notes: list[Note]) -> Any:
    def told(**_: Any) -> list[checks.CheckMessage]:
        return [
            checks.Info(f"{note.setting}: {note.reason}", note.remedy or None, id="overlay.I001")
            for note in notes
        ]

    return told
