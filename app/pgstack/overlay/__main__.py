"""`python -m pgstack.overlay`: what the overlay has to tell of a project, a line each; exit 2 when it refuses it.

Its apps are imported too: what is missing is found before a database is made for it.
"""

from __future__ import annotations

import os
import sys

from pgstack.errors import InputError, StackError


def main() -> None:
    """Import the settings and the apps, as every process of the project does."""
    try:
        from pgstack.overlay.settings import notes

        _import_apps()
    except StackError as error:
        sys.exit(_cannot(error))
    for note in notes:
        print(note)


def _import_apps() -> None:
    """Raise InputError for an app that cannot be imported. One that wants a database waits for that."""
    import django
    from django.core.exceptions import ImproperlyConfigured

    from pgstack.overlay.loading import remedy
    from pgstack.state import current_plan

    os.environ["DJANGO_SETTINGS_MODULE"] = "pgstack.overlay.settings"
    try:
        django.setup()
    except (ImportError, SyntaxError, ImproperlyConfigured) as error:
        plan = current_plan()
        reason = f"INSTALLED_APPS: {type(error).__name__}: {str(error).strip()}"
        said = remedy(error, plan.project.requirements if plan.project else "")
        raise InputError(f"{reason}. {said if isinstance(error, ImportError) else ''}".strip()) from error
    except Exception as error:  # noqa: BLE001 - whatever it is, it is met again where the database is there
        print(f"INSTALLED_APPS: {type(error).__name__}: {error}", file=sys.stderr)


def _cannot(error: StackError) -> int:
    print(error, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
