"""`python -m pgstack init`: bring a project to the stack; any other word is a management command of the project."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """A refusal is one message, and exit code 2."""
    from pgstack.errors import StackError

    try:
        if sys.argv[1:2] == ["init"]:
            from pgstack.init import main as init

            init(sys.argv[2:])
        else:
            from django.core.management import execute_from_command_line

            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pgstack.overlay.settings")
            execute_from_command_line(sys.argv)
    except StackError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
