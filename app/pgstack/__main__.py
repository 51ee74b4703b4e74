"""`python -m pgstack init`: bring a project to the stack; `database`: ask a server that is somebody
else's; any other word is a management command of the project."""

from __future__ import annotations

import os
import sys

from pgstack.errors import ends_the_process


def main() -> None:
    """Run what the command line says."""
    with ends_the_process():
        if sys.argv[1:2] == ["init"]:
            from pgstack.init import main as init

            init(sys.argv[2:])
        elif sys.argv[1:2] == ["database"]:
            from pgstack.external import main as database

            database(sys.argv[2:])
        else:
            from django.core.management import execute_from_command_line

            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pgstack.overlay.settings")
            execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
