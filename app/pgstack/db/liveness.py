"""Whether the other side of a connection is still there, and how long to wait for it to come back."""

from __future__ import annotations

import random
import re
import select
from collections.abc import Iterator
from typing import Any

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.25
COMING_BACK = re.compile(
    "connection refused|no such file|closed the connection|shutting down|starting up|is not accepting|"
    "server login has been failing|pgbouncer cannot connect|connection reset",
    re.IGNORECASE,
)
"""messages of a server that is being restarted, or of a pooler whose server is"""
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


def hung_up(connection: Any) -> bool:
    """Whether the other side has closed a connection of the driver: asks the kernel, half a microsecond.

    What waits to be read does not count: a notification is no hang-up.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLRDHUP)
    return any(events & _GONE for _, events in poll.poll(0))


def pauses() -> Iterator[float]:
    """Seconds between two attempts: growing, and never the same for two threads."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        longest = min(2 * longest, LONGEST_PAUSE_SECONDS)
