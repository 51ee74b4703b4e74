"""What a project's manage.py does before it runs a command: directories on the path, variables,
patches of modules."""

from __future__ import annotations

import os
import runpy
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path
from unittest import mock

from django.core.management import ManagementUtility

from pgstack.errors import InputError

SETTINGS = "DJANGO_SETTINGS_MODULE"
ARGUMENTS = ["manage.py", "check"]
"""some look at which command it is"""


class _CommandReachedError(BaseException):
    """manage.py hands over to Django."""


def _refuse(program: object, *_: object) -> None:
    """It would take the place of this process, which serves pages."""
    raise SystemExit(f"it replaces itself with {program!s}")


def run(file: Path) -> None:
    """Run manage.py up to the command, in this process; nothing where there is none.

    The settings module that it names is left out: the overlay's is in force. Raises InputError.
    """
    if not file.is_file():
        return
    file, before, path = file.resolve(), os.environ.get(SETTINGS), list(sys.path)
    try:
        with (
            mock.patch.object(ManagementUtility, "execute", side_effect=_CommandReachedError),
            mock.patch.object(sys, "argv", ARGUMENTS),
            mock.patch.multiple(os, execv=_refuse, execve=_refuse),
            redirect_stdout(sys.stderr),
            chdir(file.parent),
        ):
            runpy.run_path(str(file), run_name="__main__")
    except _CommandReachedError:
        pass
    except SystemExit as error:
        raise InputError(
            f"{file}: it ends before it runs a command: {error}. Set what is missing."
        ) from error
    except Exception as error:
        raise InputError(
            f"{file}: {type(error).__name__}: {str(error).strip()}. Its lines before the command "
            f"are run for every "
            "process; they must work here too."
        ) from error
    finally:
        if before is not None:
            os.environ[SETTINGS] = before
        # On a host a release moves a link: like all other entries, new ones lead to where the
        # process started.
        sys.path[:] = [
            entry if entry in path else str((file.parent / entry).resolve()) for entry in sys.path
        ]
