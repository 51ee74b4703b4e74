"""`python -m pgstack init`: bring a project to the stack; `database`: ask a server that is somebody
else's; any other word is a management command of the project."""

from __future__ import annotations

import sys

from pgstack.errors import ends_the_process


def main() -> None:
    """Run what the command line says."""
    with ends_the_process():
        if sys.argv[1:2] == ["init"]:
            from pgstack.init import main as init

            init(sys.argv[2:])
        elif sys.argv[1:2] == ["database"]:
            from pgstack.external.command import main as database

            database(sys.argv[2:])
        else:
            from pgstack.overlay.manage import main as manage

            manage()


if __name__ == "__main__":
    main()
