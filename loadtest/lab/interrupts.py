"""SIGINT and SIGTERM end a run once, and never between the start of a server and the moment it is
known."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGINT
"""exit status of an interrupted run, whichever signal it was"""


class _Interrupts:
    """The signals of this process. `deferred` counts who must not be disturbed now."""

    def __init__(self) -> None:
        self.deferred = 0
        self.arrived = self.told = False

    def arrive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: note it while signals are held back, else raise KeyboardInterrupt."""
        self.arrived = True
        self.tell()

    def tell(self) -> None:
        """Raise KeyboardInterrupt, once: what follows the first is keeping what there is, and is
        short."""
        if self.arrived and not self.told and not self.deferred:
            self.told = True
            raise KeyboardInterrupt


_state = _Interrupts()


def install() -> None:
    """Turn SIGINT and SIGTERM into one KeyboardInterrupt.

    A shell lets what it starts in the background ignore SIGQUIT. The servers would inherit that,
    and PgBouncer 1.18, which is stopped by it, would not stop.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _state.arrive)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@contextmanager
def deferred() -> Iterator[None]:
    """What is inside ends before an interrupt that comes meanwhile is raised."""
    _state.deferred += 1
    try:
        yield
    finally:
        _state.deferred -= 1
        _state.tell()
