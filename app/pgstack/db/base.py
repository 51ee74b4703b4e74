"""Django's PostgreSQL backend, for connections that outlive requests while their other side is replaced.

Between two requests a connection is replaced by a new one when

- the other side has hung up, which the kernel knows: no round trip, as CONN_HEALTH_CHECKS would make;
- its socket's path leads to another socket: another instance of PgBouncer has taken over, and the old one waits for
  its clients to leave.

Connecting is tried again for a while (PATIENCE_SECONDS of the alias): what is being restarted is back in a moment.
"""

from __future__ import annotations

import os
import random
import re
import select
import time
from collections.abc import Iterator
from typing import Any

from django.db.backends.postgresql import base

PATIENCE = "PATIENCE_SECONDS"
"""key of an alias in DATABASES: how long connecting is tried again; 0, the default, is once"""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.25
COMING_BACK = re.compile(
    "connection refused|no such file|closed the connection|shutting down|starting up|is not accepting|"
    "server login has been failing|pgbouncer cannot connect|connection reset",
    re.IGNORECASE,
)
"""messages of a server that is being restarted, or of a pooler whose server is"""


def hung_up(connection: Any) -> bool:
    """Whether the other side has closed an idle connection of the driver, or sent what nobody asked for."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))


def pauses() -> Iterator[float]:
    """Seconds between two attempts: growing, and never the same for two threads."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        longest = min(2 * longest, LONGEST_PAUSE_SECONDS)


class DatabaseWrapper(base.DatabaseWrapper):
    """One alias; see the module."""

    place: tuple[int, int] | None = None
    """what the socket's path led to when the connection was made"""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the driver; tried again while the other side is being restarted."""
        deadline = time.monotonic() + float(self.settings_dict.get(PATIENCE, 0))
        for pause in pauses():
            self.place = self._leads_to()
            try:
                return super().get_new_connection(conn_params)
            except self.Database.OperationalError as error:
                if COMING_BACK.search(str(error)) is None or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def close_if_unusable_or_obsolete(self) -> None:
        """Django calls this between two requests."""
        if self.connection is not None and not self.in_atomic_block and self._is_stale():
            self.close()
            return
        super().close_if_unusable_or_obsolete()

    def is_usable(self) -> bool:
        """Django's health check, without its round trip."""
        return self.connection is not None and not hung_up(self.connection)

    def _is_stale(self) -> bool:
        return hung_up(self.connection) or (self.place is not None and self._leads_to() not in (None, self.place))

    def _leads_to(self) -> tuple[int, int] | None:
        """Device and number of the socket; None over TCP, and while there is none."""
        host = self.settings_dict["HOST"]
        if not host.startswith("/"):
            return None
        try:
            found = os.stat(f"{host}/.s.PGSQL.{self.settings_dict['PORT'] or 5432}")  # noqa: PTH116 - in each request
        except OSError:
            return None
        return found.st_dev, found.st_ino
