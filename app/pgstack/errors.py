"""Every error the project raises on purpose.

A message says what failed, why, and what to do next. Commands print it on one
line and exit with 2; see `pgstack.commands`.
"""


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
