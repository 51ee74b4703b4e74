"""What runs where there is nothing to run, for a service of Compose that ends has failed."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

WAIT = """
import signal
ends = (signal.SIGINT, signal.SIGTERM)
signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # the first process is not told of others
signal.sigwait(ends)
"""


def until_told(reason: str) -> NoReturn:
    """Say why, and become a process that waits until it is told to end."""
    print(reason, flush=True)
    os.execv(sys.executable, [sys.executable, "-ISc", WAIT])  # noqa: S606 - no shell is wanted
