"""How the programs of this folder end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from loadtest.lab import interrupts
from pgstack.errors import StackError

CANNOT = 2
"""exit status: a bad input, or what is needed is not there"""


def rounds(parser: argparse.ArgumentParser, default: int) -> argparse.Namespace:
    """What the command line asks for, with `--rounds` beside what `parser` knows."""
    text = f"how often each is measured, in turns (default {default})"
    parser.add_argument("--rounds", type=int, default=default, help=text)
    asked = parser.parse_args()
    if asked.rounds < 1:
        parser.error(f"--rounds {asked.rounds}: nothing would be measured. Name 1 or more.")
    return asked


def status(work: Callable[[], int]) -> int:
    """Do `work` and return its exit status; what cannot be done is one message and CANNOT, an
    interrupt 130."""
    interrupts.install()
    try:
        return work()
    except StackError as error:
        print(error, file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return interrupts.STATUS
