"""Web processes of the same Apache that a signal has stopped.

mod_wsgi's processes take turns at their socket, whatever WSGIAcceptMutex says. One that is stopped
while it has its turn keeps the others from their work, too.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

STOPPED = re.compile(rb"\d+ \(.*\) T (\d+) ", re.DOTALL)
"""in proc_pid_stat(5): state and parent; a debugger's stop is `t`"""


def stopped() -> list[int]:
    """Process ids of the siblings that a signal has stopped."""
    halted = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state = STOPPED.match((entry / "stat").read_bytes())
            if state and int(state[1]) == os.getppid():
                halted.append(int(entry.name))
    return halted


def resume() -> list[int]:
    """Let them go on; returns which."""
    resumed = []
    for process in stopped():
        with suppress(OSError):
            os.kill(process, signal.SIGCONT)
            resumed.append(process)
    return resumed
