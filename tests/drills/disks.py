"""Drills with a disk that is full."""

from __future__ import annotations

import os
import time
from pathlib import Path

from drills.catalogue import drill, require_told
from fixtures.local_stack import LocalStack

FULL_SECONDS = 10
PIECE = 1 << 20


def fill(ballast: Path) -> None:
    """A file that leaves nothing of its disk."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PIECE))
        except OSError:
            pass
        free = os.statvfs(ballast)
        file.write(bytes(free.f_bavail * free.f_bsize))


@drill(
    "full WAL disk",
    "no space is left beside the WAL, and much is written",
    "`make status`; postgres.log: PANIC",
    40,
    "space; then by itself",
    stack="small_wal",
)
def full_wal_disk(stack: LocalStack) -> None:
    """PostgreSQL ends when it needs a segment, and at every start, until there is room."""
    ballast, log = stack.directory / "data/pg_wal/ballast", stack.directory / "log/postgres.log"
    stack.sql("CREATE TABLE IF NOT EXISTS filler (words text)")
    before = log.stat().st_size
    fill(ballast)
    try:
        require_told(stack, "are free for its WAL; it ends when it needs 16 MB")
        for _ in range(20):
            writer = stack.psql(
                "INSERT INTO filler SELECT repeat(md5(n::text), 100) FROM generate_series(1, "
                "20000) n"
            )
            writer.communicate(timeout=60)
            if writer.returncode:
                break
        assert "PANIC" in log.read_text()[before:]
        time.sleep(FULL_SECONDS)
        require_told(stack, "postgres")
    finally:
        ballast.unlink()
    stack.wait_until(stack.answers, 60)
    stack.sql("DROP TABLE filler")
