"""`python -m pgstack.overlay`: load a project as a web process does, before there is a database.

What the overlay has to tell of it is a line each; exit 2 when it refuses it, or it cannot be
loaded.
"""

from __future__ import annotations

import os
import sys
import traceback

from pgstack.errors import StackError


def main() -> None:
    """Import the settings, the apps and the views, as every process of the project does."""
    try:
        from pgstack.overlay.loading import begin
        from pgstack.overlay.settings import notes

        os.environ["DJANGO_SETTINGS_MODULE"] = "pgstack.overlay.settings"
        begin()
    except StackError as error:
        sys.exit(_cannot(error))
    for note in notes:
        print(note)


def _cannot(error: StackError) -> int:
    """The message goes to standard error; what it comes from, with all its frames, to standard
    output."""
    if error.__cause__:
        traceback.print_exception(error.__cause__, file=sys.stdout)
    print(error, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
