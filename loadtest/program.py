"""How the programs of this folder end."""

from __future__ import annotations

import sys
from collections.abc import Callable

from loadtest.lab import interrupts
from pgstack.errors import StackError

CANNOT = 2
"""exit status: a bad input, or what is needed is not there"""


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
