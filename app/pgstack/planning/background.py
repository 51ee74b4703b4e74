"""What a plan says of work beside pages: the project's own commands, those that run as long as the
stack does and those that a schedule starts, and their pool at PgBouncer."""

from __future__ import annotations

from pgstack.planning.part import Part
from pgstack.planning.work_names import PREFIX

APPLICATION = "worker "
"""before the name of a worker where its connections tell theirs (application_name)"""
MANAGE, PYTHONS = "manage.py", ("python", "python3")
"""first words of a command that stand for the project's own"""
MANAGE_MODULE = "pgstack.overlay.manage"
"""what `manage.py` is for Python, in the environment of a project that is not the demo"""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
"""where all others are looked for, behind the project's environment"""
UNKNOWN = "Unknown command"
"""how Django says that there is no such management command"""
VARIABLE = "STACK_WORKER"
"""in the environment of a worker, or of a run that the schedule began: its name"""
SCHEDULER = "schedule"
"""the service that begins what is scheduled, where systemd does not"""


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


class Entry(Part):
    """A command of the project that a schedule starts, never twice at a time."""

    name: str
    command: tuple[str, ...]
    when: str
    """as it was asked for; times are UTC"""
    cron: str
    """the same as crontab(5) writes it"""
    calendar: str
    """and as systemd.time(7) does"""
    limit: int
    """seconds that a run may take"""
    memory: int
    """bytes of a run, its children included"""


class Background(Part):
    """The pool of both: PgBouncer's `database`, which leads to the same one as the pages'
    does."""

    database: str
    clients: int
    """connections that they may have to PgBouncer"""
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
    memory: int
    """bytes that all of them may have together, where they are in a container of their own"""
