"""What a host's servers run with is compared with what the plan wants, file by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgstack.live.verify.settings import not_in_force
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan

WANTED = {"postgres": "pgstack.conf", "pgbouncer": "pgbouncer.ini", "apache": "mpm.conf"}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A host on which everything runs with what is wanted: instance b of PgBouncer, instance a of
    Apache."""
    made = sizing.plan(StackConfig(target="host"), Hardware(2, 4 * 1024**3, 13, 65536))
    conf = tmp_path / "conf"
    copies = {"postgres": "postgres", "pgbouncer": "pgbouncer-b", "apache": "apache-a"}
    for part, name in WANTED.items():
        for directory in (conf / part, conf / "live" / copies[part]):
            directory.mkdir(parents=True)
            (directory / name).write_text(part)
    for name in ("pooler-b", "apache-a", "pooler-own", "apache"):
        (tmp_path / "run" / name).mkdir(parents=True)
    own = {"conf": str(conf), "run": str(tmp_path / "run")}
    return made.model_copy(update={"paths": made.paths.model_copy(update=own)})


def test_nothing_differs_where_everything_is_in_force(plan: Plan, tmp_path: Path) -> None:
    assert not_in_force(plan) == []


def test_a_copy_that_differs_is_named(plan: Plan, tmp_path: Path) -> None:
    copy = tmp_path / "conf/live/pgbouncer-b/pgbouncer.ini"
    copy.write_text("another")
    assert not_in_force(plan) == [copy]


def test_a_copy_that_is_missing_is_named(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "conf/apache/site.conf").write_text("new")
    assert not_in_force(plan) == [tmp_path / "conf/live/apache-a/site.conf"]


def test_a_server_without_an_instance_is_named(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "run/apache-a").rmdir()
    assert not_in_force(plan) == [tmp_path / "conf/live/apache"]
