"""`python -m pgstack.overlay.manage`: the project's management commands, each name its own, and a
process's settings the stack's."""

from __future__ import annotations

import gc
import os
import sys

from pgstack.wsgi import GC_THRESHOLD


def main() -> None:
    """Run the one that the command line names."""
    gc.set_threshold(GC_THRESHOLD)  # most of what is made from here on stays: it is loaded
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pgstack.overlay.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
