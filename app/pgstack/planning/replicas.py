"""What a plan says of the alias `replica`: reads that may lag a little behind what was written."""

from __future__ import annotations

from pgstack.planning.part import Part

APPLICATION = "replica"
"""how its connections tell theirs (application_name)"""


class Replicas(Part):
    """The pool of reads: `database` at PgBouncer leads to a standby of the cluster, or to the
    primary, and takes no writes either way."""

    database: str
    pool_size: int
    """of all PgBouncers of a host; each has as much of it as of the pages' (default_pool_size)"""
    sizes: dict[str, str]
    """of its pool, in words of its line in pgbouncer.ini"""
    settings: dict[str, str]
    """of its backends"""
    lag: float
    """seconds that a standby may be behind the primary and still be read from"""
    pinned: int
    """seconds for which a visitor who has written reads from the primary"""
