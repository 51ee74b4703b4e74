"""`python -m pgstack.audit PATH…`: the audit without Django, for a project whose settings cannot be
imported here."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path

from pgstack.errors import StackError

NOTE = (
    "Settings were not imported: DATABASES was judged where it is written out. `manage.py "
    "stack_audit` reads them."
)


def main() -> int:
    """Audit what the command line names; the exit status."""
    if find_spec("rich") is None:
        print("stack_audit needs rich, which is not installed: pip install rich", file=sys.stderr)
        return 2
    from pgstack.audit import cli

    parser = ArgumentParser(prog="python -m pgstack.audit", description=__doc__)
    cli.add_arguments(parser)
    try:
        return cli.perform(parser.parse_args(), Path.cwd(), note=NOTE)
    except StackError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
