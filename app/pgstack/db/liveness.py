"""Whether the other side of a connection is still there, and how long to wait for it to come
back."""

from __future__ import annotations

import math
import random
import re
import select
import time
from collections.abc import Iterator
from typing import Any

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.25
FORGOTTEN_SECONDS = 1.0
"""A failure is of another outage when nobody has met one for so long, at least."""
COMING_BACK = re.compile(
    "connection refused|no such file|closed the connection|shutting down|starting up|is not "
    "accepting|"
    "server login has been failing|pgbouncer cannot connect|connection reset",
    re.IGNORECASE,
)
"""messages of a server that is being restarted, or of a pooler whose server is"""
UNKNOWN = re.compile("login rejected|no authentication method is found|no such database")
"""messages of a pooler that has no such database, by its release"""
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


def hung_up(connection: Any) -> bool:
    """Whether the other side has closed a connection of the driver: asks the kernel, half a
    microsecond.

    What waits to be read does not count: a notification is not a hang-up.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLRDHUP)
    return any(events & _GONE for _, events in poll.poll(0))


class Outage:
    """How long a caller waits for a server that is away: until it has been away for some seconds.

    So a restart is waited out, but a longer outage does not tie up the threads of the web
    processes.
    """

    def __init__(self) -> None:
        self._since, self._last = 0.0, -math.inf

    def give_up_at(self, patience: float) -> float:
        """On the monotonic clock, for somebody who has just failed and would wait `patience`
        seconds."""
        now = time.monotonic()
        if now - self._last > max(patience, FORGOTTEN_SECONDS):
            self._since = now
        self._last = now
        return self._since + patience

    def over(self) -> None:
        """Note that a statement was answered: the outage is over."""
        self._last = -math.inf


def pauses() -> Iterator[float]:
    """Seconds between two attempts: growing, and never the same for two threads."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        longest = min(2 * longest, LONGEST_PAUSE_SECONDS)
