"""Lines of a web process in Apache's error log, in the zone of Apache's own.

Django sets the zone of its process (TIME_ZONE), and Apache's library writes the local time of
whatever process it runs in: without this one file has lines in two zones. The zone of the process
stays Django's: naive times depend on it.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from pgstack.serving.current import CURRENT

LOCAL_TIME = Path("/etc/localtime")
STANDARD_ERROR = 2
"""descriptor of Apache's error log, in each of its processes"""
LINE = 7900
"""characters; Apache cuts its own after 8,192 bytes"""


def zone() -> tzinfo:
    """That of a process in which nobody has set one yet; UTC where the machine does not say."""
    with suppress(OSError, ValueError):
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
        with LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    return UTC


class ErrorLog(io.TextIOBase):
    """Each line as Apache writes them (ErrorLogFormat in apache2.conf.j2), in one write: others
    write there too."""

    encoding = "utf-8"

    def __init__(self, zone: tzinfo, descriptor: int = STANDARD_ERROR) -> None:
        self.zone, self.descriptor = zone, descriptor
        self._open = threading.local()

    def writable(self) -> bool:
        """True: writing is all that the stream is for."""
        return True

    def fileno(self) -> int:
        """For what writes past Python: faulthandler, subprocesses."""
        return self.descriptor

    def write(self, text: str) -> int:
        """Write the lines that end in `text`; what follows waits for its end, or for flush(). Each
        thread's apart."""
        *lines, self._open.line = (getattr(self._open, "line", "") + text).split("\n")
        if lines:
            self._send(lines)
        return len(text)

    def flush(self) -> None:
        """End the line that was begun."""
        if line := getattr(self._open, "line", ""):
            self._open.line = ""
            self._send([line])

    def _send(self, lines: list[str]) -> None:
        when = datetime.now(self.zone).strftime("%Y-%m-%d %H:%M:%S.%f %z")
        begin = f"[{when}] [wsgi:error] [pid {os.getpid()}:tid {threading.get_native_id()}] "
        begin += f"[{CURRENT.number}] " if CURRENT.number else ""
        text = "".join(f"{begin}{_shown(line)}\n" for line in lines)
        with suppress(OSError):  # a full disk is no reason to fail the request
            os.write(self.descriptor, text.encode("utf-8", "backslashreplace"))


def _shown(line: str) -> str:
    """Without what a terminal would obey, as in Apache's own lines."""
    line = line[:LINE]
    if line.isprintable():
        return line
    return "".join(
        character if character.isprintable() or character == "\t" else f"\\x{ord(character):02x}"
        for character in line
    )


def take_over() -> None:
    """Send what this process prints there. Called before its settings are read; does nothing
    outside of mod_wsgi."""
    if "mod_wsgi" in sys.modules:
        sys.stdout = sys.stderr = ErrorLog(zone())
