"""The pure parts of the footprint tool: what smaps_rollup says, and which process is which."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.studies.footprint import Footprint, component, parse

# A backend: of its 9000 kB most are shared_buffers.
ROLLUP = """\
561ad4a00000-7ffd1b5fe000 ---p 00000000 00:00 0                          [rollup]
Rss:               16172 kB
Pss:                9000 kB
Pss_Dirty:          8000 kB
Pss_Anon:           1100 kB
Pss_File:            900 kB
Pss_Shmem:          7000 kB
Shared_Clean:       6000 kB
Shared_Dirty:       8000 kB
Private_Clean:       172 kB
Private_Dirty:      1200 kB
Swap:                  0 kB
"""


def test_shared_memory_is_left_out_of_the_pss() -> None:
    assert parse(ROLLUP) == Footprint(pss=2000 * 1024, private=1372 * 1024)


@pytest.mark.parametrize(
    ("title", "parent", "name"),
    [
        (
            "postgres: stack: app app [local] idle",
            "/usr/lib/postgresql/15/bin/postgres -D x",
            "PostgreSQL: backend",
        ),
        (
            "postgres: app app [local] SELECT",
            "/usr/lib/postgresql/15/bin/postgres -D x",
            "PostgreSQL: backend",
        ),
        (
            "postgres: stack: walwriter",
            "/usr/lib/postgresql/15/bin/postgres -D x",
            "PostgreSQL: helper process",
        ),
        ("postgres: stack: autovacuum worker app", "", "PostgreSQL: helper process"),
        (
            "/usr/lib/postgresql/17/bin/postgres -D /s/data",
            "python supervisord",
            "PostgreSQL: first process",
        ),
        (
            "(wsgi:stack) -DFOREGROUND -f a.conf",
            "/usr/sbin/apache2 -DFOREGROUND",
            "web: daemon process",
        ),
        ("/usr/sbin/apache2 -DFOREGROUND", "/usr/sbin/apache2 -DFOREGROUND", "Apache: child"),
        (
            "/usr/sbin/apache2 -DFOREGROUND",
            "python -m supervisor.supervisord",
            "Apache: first process",
        ),
        ("/usr/sbin/pgbouncer /s/pgbouncer.ini", "python -m supervisor.supervisord", "PgBouncer"),
        ("python -m supervisor.supervisord -c x", "/sbin/init", "supervisord"),
        ("python -m pgstack.targets.guard", "python -m supervisor.supervisord", "guard"),
        ("python -m pgstack.metrics", "python -m supervisor.supervisord", "exporter"),
    ],
)
def test_each_process_of_the_stack_has_its_row(title: str, parent: str, name: str) -> None:
    assert component(title, parent) == name
