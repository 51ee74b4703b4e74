"""PostgreSQL's files and processes: its own parser, what it has against a line, whether it is
there, and psql's words. Whose account runs them is each target's own. Without packages: the tools
of Compose use them, too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pgstack.planning.services import POSTGRES

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

LOCK_FILE = "postmaster.pid"
"""in the data directory; it is not there while no server runs, and empty at first"""
READY_LINE = 7
WAL_SEGMENT_BYTES = 16 * 1024**2
"""what PostgreSQL needs in one piece before it can go on writing; without it it ends"""


def parse(plan: Plan, conf: str) -> list[str]:
    """Command line that has the server's own parser read the settings below `conf`."""
    configuration = Path(conf, POSTGRES.name, POSTGRES.configuration)
    return [*POSTGRES.words(plan, configuration), "-C", "max_connections"]


def psql(sockets: str | Path, port: int, database: str, *what: str, user: str = "") -> list[str]:
    """Command line of a question or a script, `what`: rows come bare, the first error ends it, and
    no settings of the calling account are read."""
    login = [f"--username={user}"] if user else []
    return [
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--set=ON_ERROR_STOP=1",
        f"--host={sockets}",
        f"--port={port}",
        *login,
        f"--dbname={database}",
        *what,
    ]


def complaint(said: str) -> str:
    """What the parser has against them, from what it wrote."""
    return "; ".join(said.strip().splitlines()[:2])


def started(lock_file: str) -> tuple[int, bool]:
    """Number of the server's process, 0 for none, and whether it takes connections: the first and
    the eighth line of the lock file, which pg_ctl waits for too."""
    lines = lock_file.splitlines()
    if len(lines) <= READY_LINE:
        return 0, False
    return int(lines[0]), lines[READY_LINE].strip() == "ready"


def full(data: str) -> str:
    """Why a server with this data directory is about to end; empty while its WAL has room. Raises
    OSError where the directory is not there."""
    free = shutil.disk_usage(f"{data}/pg_wal").free
    if free >= WAL_SEGMENT_BYTES:
        return ""
    return (
        f"{free // 1024} kB are free for its WAL; it ends when it needs "
        f"{WAL_SEGMENT_BYTES >> 20} MB"
    )
