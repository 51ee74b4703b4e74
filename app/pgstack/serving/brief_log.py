"""A logging handler that an outage does not fill the disk with: one message a cause and second,
then how many more.

Without a database every request fails for the same reason, with a traceback of some kilobytes each.
"""

from __future__ import annotations

import copy
import logging
import threading
from typing import Any

SECONDS = 1.0
"""in which the same cause is logged once"""
UNREACHABLE = frozenset({"OperationalError", "InterfaceError"})
"""exceptions of a database that is not there: where they were raised says nothing more"""

Cause = tuple[str, ...]


class BriefHandler(logging.StreamHandler[Any]):
    """To standard error. A cause is an exception's type and first line, or a message before it is
    filled in."""

    def __init__(self, stream: Any = None) -> None:
        super().__init__(stream)
        self._more: dict[Cause, int] = {}
        self._counting = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, or count it where the same was written within the second."""
        cause = _cause(record)
        with self._counting:
            if cause in self._more:
                self._more[cause] += 1
                return
            self._more[cause] = 0
        super().emit(_shortened(record))
        later = threading.Timer(SECONDS, self._tell, [cause, record])
        later.daemon = True
        later.start()

    def flush(self) -> None:
        """As a StreamHandler; a stream that is closed at the process's end has nothing to flush."""
        if not getattr(self.stream, "closed", False):
            super().flush()

    def _tell(self, cause: Cause, record: logging.LogRecord) -> None:
        with self._counting:
            more = self._more.pop(cause)
        if more:
            told = _shortened(record)
            told.msg, told.args, told.exc_info, told.exc_text = (
                f"{more} more: {': '.join(cause)}",
                None,
                None,
                None,
            )
            with self.lock or threading.Lock():
                super().emit(told)


def _cause(record: logging.LogRecord) -> Cause:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.name, str(record.msg)
    return type(error).__name__, _first_line(error)


def _shortened(record: logging.LogRecord) -> logging.LogRecord:
    """A copy, in one line where a database is not there."""
    short = copy.copy(record)
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and type(error).__name__ in UNREACHABLE:
        short.msg = f"{record.getMessage()}: {type(error).__name__}: {_first_line(error)}"
        short.args, short.exc_info, short.exc_text = None, None, None
    return short


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
