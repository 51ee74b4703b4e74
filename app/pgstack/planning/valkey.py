"""What a plan says of Valkey, or of Redis where Debian has that: a cache and a broker in one
server."""

from __future__ import annotations

from pgstack.planning.part import Part

BROKER, CACHE = 0, 1
"""its databases. What empties the cache (FLUSHDB) leaves the queues alone; every tool takes 0
without being told"""


class Valkey(Part):
    """The server. `settings` are the lines of its configuration."""

    program: str
    """path"""
    socket: str
    directory: str
    """of its append-only file"""
    maxmemory: int
    """bytes of cache and queues together"""
    maxclients: int
    file_descriptors: int
    patience: int
    """seconds that the cache waits for it, see pgstack.cache"""
    settings: dict[str, str]

    def url(self, database: int) -> str:
        """Address as redis-py reads it, and what is made on it: Django's cache, RQ, Dramatiq."""
        return f"unix://{self.socket}?db={database}"

    def celery_url(self, database: int) -> str:
        """The same as Celery reads it."""
        return f"redis+socket://{self.socket}?virtual_host={database}"
