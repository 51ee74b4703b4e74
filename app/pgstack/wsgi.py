"""What a web process does once its project is loaded."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

GC_THRESHOLD = 50_000
"""new objects that are alive at once before the collector looks for cycles among them; Python's
default of 700 is passed within a request (docs/results.md: 1.06 times as fast; with 10,000 no
difference is shown). Commands have it while they load their code, an eighth of their start"""

ACCESS_LOG = "apache-access.log"


def leave_access_log() -> None:
    """Give up what this process has inherited of Apache's access log: whose code has it may empty
    the log.

    Called first, before code of the project runs. The account of this process may not open the log
    (a host). Where Python runs in Apache's own processes, these write it.
    """
    if not getattr(sys.modules.get("mod_wsgi"), "process_group", ""):
        return
    with Path(os.devnull).open("wb") as nowhere:
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # the descriptor of the listing itself
                if entry.readlink().name == ACCESS_LOG:
                    os.dup2(nowhere.fileno(), int(entry.name), inheritable=False)


def settle() -> None:
    """Take the collector's work off the requests. Called last in wsgi.py, when everything is
    imported.

    What is loaded by then stays for the life of the process: the collector leaves it out. What
    requests make is mostly freed without it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
