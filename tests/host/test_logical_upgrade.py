"""PostgreSQL's next major version under load by logical replication: refused, cut off, done."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
from host_database import sql, started
from older_postgresql import (
    NEW,
    NEW_INPUTS,
    OLD,
    OLD_INPUTS,
    cut_off,
    facts,
    left_behind,
    make_older,
    more_tables,
    version,
)
from systemd_host import SystemdHost, systemd_host

from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
Done = subprocess.CompletedProcess[str]
LOGICAL = {"wal_level": "logical"}
TABLES = 400
"""more than can be upgraded in seconds"""
FOLLOWS = "select 1 from pg_stat_subscription where pid is not null"
MOMENTS = {
    "while the copy is made": f"test -e /var/lib/postgresql/{OLD}/main.upgrade/PG_VERSION",
    "while pg_upgrade runs": "pgrep -x pg_upgrade",
    "while the new version follows": "pgrep -f 'logical replication apply worke[r]'",
    "once the new version runs": f"systemctl is-active postgresql@{NEW}-main",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with the older PostgreSQL, many tables, and what is not replicated gone."""
    with systemd_host(NEWEST_SUITE, tmp_path_factory.mktemp("logical")) as booted:
        make_older(booted)
        more_tables(booted, TABLES)
        yield booted


def upgrade(host: SystemdHost, **variables: str) -> Done:
    inputs = {**NEW_INPUTS, **LOGICAL}
    return host.play("upgrade.yml", stack_inputs=inputs, logical="yes", **variables)


def rehearse(host: SystemdHost) -> Done:
    return host.run("stackctl", "upgrade", "--rehearse", "--logical", check=False)


def require_the_old_one(host: SystemdHost, before: str) -> None:
    """It serves with all of its rows, and nothing is left of a try."""
    assert (version(host), facts(host)) == (OLD, before)
    assert left_behind(host) == ""
    assert sql(host, "SELECT count(*) FROM pg_publication") == "0"
    assert host.run("stackctl", "status", check=False).returncode == 0
    assert host.failed() == ""


def test_what_cannot_be_followed_is_named_with_its_remedy(host: SystemdHost) -> None:
    before, served = facts(host), started(host)
    done = upgrade(host, rehearse="yes")
    said = " ".join(done.stdout.split())
    assert done.returncode == 2
    assert "set stack_inputs.wal_level to logical" in said
    assert "public.event_now has no primary key" in said
    assert "ALTER TABLE public.event_now REPLICA IDENTITY FULL" in said
    assert "1 large objects, which are not replicated" in said
    assert started(host) == served
    require_the_old_one(host, before)


def test_an_input_makes_it_possible(host: SystemdHost) -> None:
    sql(host, "ALTER TABLE event_now REPLICA IDENTITY FULL")
    sql(host, "SELECT lo_unlink(424242)")
    inputs = {**OLD_INPUTS, **LOGICAL}
    done = host.under_load(lambda: host.play("site.yml", stack_inputs=inputs))
    assert done.returncode == 0, done.stdout[-4000:]
    assert sql(host, "SHOW wal_level") == "logical"
