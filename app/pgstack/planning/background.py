"""What a plan says of work beside pages: the project's own long-running commands, and their pool at
PgBouncer."""

from __future__ import annotations

from pgstack.planning.part import Part

PREFIX = "worker-"
"""before the name of a worker where services have theirs"""
APPLICATION = "worker "
"""before the name of a worker where its connections tell theirs (application_name)"""
VARIABLE = "STACK_WORKER"
"""in the environment of a worker: its name"""


class Worker(Part):
    """A command of the project that runs as long as the stack does."""

    name: str
    command: tuple[str, ...]
    processes: int
    """how many of it run"""
    threads: int
    """connections that one of them may use at a time, by threads or by children of its own"""
    memory: int
    """bytes of one of them, its children included"""
    stop_signal: str
    """that has it finish what it does, and end"""
    grace: int
    """seconds that it has for this"""

    @property
    def programs(self) -> tuple[str, ...]:
        """A name for each process."""
        return tuple(f"{PREFIX}{self.name}-{number}" for number in range(1, self.processes + 1))


class Background(Part):
    """The pool of the workers: PgBouncer's `database`, which leads to the same one as the pages'
    does."""

    database: str
    clients: int
    """connections that workers may have to PgBouncer"""
    pool_size: int
    reserve_pool_size: int
    max_db_connections: int
    sizes: dict[str, str]
    """the same three in words of its line in pgbouncer.ini"""
    statement_timeout: int
    """seconds, as `patience`: how long a worker waits for a database that is coming back"""
    patience: int
    settings: dict[str, str]
    """of its backends"""
