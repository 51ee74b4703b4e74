"""Drills with memory that is out: the kernel ends a process that goes beyond the limit of its
control group."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

from drills.catalogue import drill
from fixtures.local_stack import LocalStack

ROOM = 64 << 20
"""bytes that a process may take beyond what it has"""
HUNGER_MB = 512
GROUPS = Path("/sys/fs/cgroup")


@contextmanager
def limited(stack: LocalStack, processes: Sequence[psutil.Process]) -> Iterator[None]:
    """These in one control group that takes no more than `ROOM` from now on, until one has ended."""
    version_1 = (GROUPS / "memory").is_dir()
    group = (GROUPS / "memory" if version_1 else GROUPS) / f"drill-{os.getpid()}"
    group.mkdir()
    try:
        # In neither version does a process bring along what it has taken before.
        name = "memory.limit_in_bytes" if version_1 else "memory.max"
        (group / name).write_text(str(ROOM))
        for process in processes:
            (group / "cgroup.procs").write_text(str(process.pid))
        yield
        stack.wait_until(lambda: not all(process.is_running() for process in processes), 20)
    finally:
        _free(group)


def _free(group: Path) -> None:
    """Give what is left back to the group above, and delete it."""
    for number in (group / "cgroup.procs").read_text().split():
        (group.parent / "cgroup.procs").write_text(number)
    group.rmdir()


@drill(
    "web process out of memory",
    f"a page takes {HUNGER_MB} MB where {ROOM >> 20} MB are left: the kernel ends its process",
    "apache-error.log",
    5,
    stack="hanging",
)
def web_process_out_of_memory(stack: LocalStack) -> None:
    """Of those in the group the kernel takes the largest."""
    log = stack.directory / "log/apache-error.log"
    before = len(log.read_text())
    with limited(stack, stack.daemons()):
        asked = requests.get(f"{stack.url}/grow?mb={HUNGER_MB}", timeout=30)
    assert asked.status_code in {500, 502, 503}
    words = "Truncated or oversized response headers received from daemon process"
    stack.wait_until(lambda: words in log.read_text()[before:], 20)


@drill(
    "backend out of memory",
    f"a statement takes {HUNGER_MB} MB where {ROOM >> 20} MB are left: the kernel ends its backend",
    "postgres.log",
    10,
)
def backend_out_of_memory(stack: LocalStack) -> None:
    """PostgreSQL ends all of them and recovers."""
    hog = stack.psql(
        "SELECT pg_sleep(2) /* hog */; SELECT length(string_agg(repeat('x', 1024), '')) "
        f"FROM generate_series(1, {HUNGER_MB} * 1024)"
    )
    asked = (
        "SELECT pid FROM pg_stat_activity "
        "WHERE query LIKE '%/* hog */%' AND pid <> pg_backend_pid()"
    )
    stack.wait_until(lambda: stack.sql(asked) != "")
    with limited(stack, [psutil.Process(int(stack.sql(asked)))]):
        hog.communicate(timeout=60)
    log = stack.directory / "log/postgres.log"
    stack.wait_until(lambda: "was terminated by signal 9: Killed" in log.read_text(), 20)
