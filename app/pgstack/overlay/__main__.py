"""`python -m pgstack.overlay`: what the overlay has to tell of a project, a line each; exit 2 when it refuses it."""

from __future__ import annotations

import sys

from pgstack.errors import StackError


def main() -> None:
    """Import the settings, as every process of the project does."""
    try:
        from pgstack.overlay.settings import notes
    except StackError as error:
        sys.exit(_cannot(error))
    for note in notes:
        print(note)


def _cannot(error: StackError) -> int:
    print(error, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
