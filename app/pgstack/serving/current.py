"""The request of each thread."""

from __future__ import annotations

import threading

NUMBER = "mod_wsgi.request_id"
"""variable: the request's number in both of Apache's logs"""


class Current(threading.local):
    """What is known of the request that this thread works on."""

    number = ""
    """in Apache's logs; empty outside of a request"""
    seconds = 0.0
    """that it has waited for the database, in so many `statements`"""
    statements = 0

    def begin(self, number: str) -> None:
        """Begin counting for another request."""
        self.number, self.seconds, self.statements = number, 0.0, 0


CURRENT = Current()
