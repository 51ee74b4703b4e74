#!/usr/bin/env python3
"""Django's command line, with the demo project's settings."""

import os
import sys


def main() -> None:
    """Run one management command; as root, as the account that owns the local stack."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from pgstack import account, layout, state
    from pgstack.errors import StackError

    try:
        if "STACK_PLAN" not in os.environ and sys.argv[1:2] != ["stack_verify"]:  # gives root up after a check
            account.assume_owner(layout.stack_directory(state.inputs()))
        execute_from_command_line(sys.argv)
    except StackError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
