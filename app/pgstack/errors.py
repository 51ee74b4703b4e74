"""Every error the project raises on purpose.

A message says what failed, why, and what to do next. Commands print it on one
line and exit with 2; see `pgstack.commands`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class StackError(Exception):
    """Root of all errors raised on purpose."""


class InputError(StackError):
    """An input has an unknown name, a bad value or an impossible combination."""


class UnsoundPlan(StackError):
    """A plan breaks an invariant; the message shows the arithmetic."""


class RenderError(StackError):
    """A configuration file could not be written; what was there before is kept."""


class TargetError(StackError):
    """A target could not be started, stopped or reached."""


class ProbeError(StackError):
    """A running server could not be asked."""


@contextmanager
def ends_the_process() -> Iterator[None]:
    """An error raised on purpose is one message and exit code 2, an interruption one word and exit
    code 130."""
    try:
        yield
    except StackError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
