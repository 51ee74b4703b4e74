"""PostgreSQL's next major version under load by logical replication: refused, cut off, done, taken
back."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator

import pytest
from host_database import sql, started
from older_postgresql import (
    NEW,
    NEW_INPUTS,
    OLD,
    OLD_INPUTS,
    cut_off,
    left_behind,
    make_older,
    more_tables,
    version,
)
from systemd_host import SystemdHost, systemd_host

from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
Done = subprocess.CompletedProcess[str]
TABLES = 400
LOGICAL = {"wal_level": "logical"}
FACTS = (
    "SELECT (SELECT count(*) FROM customer), (SELECT many FROM busy), (SELECT count(*) FROM event), "
    "(SELECT count(*) FROM customer WHERE tags ? 'a' AND mail LIKE 'm1%')"
)
CONVERTS = "pgrep -x pg_upgrade"
MOMENTS = {
    "while pg_upgrade runs": CONVERTS,
    "while the new version follows": "pgrep -f 'logical replication apply worke[r]'",
    "once the new version runs": f"systemctl is-active postgresql@{NEW}-main",
}
MOST = 140
"""requests/s: a host of 2 GB has workers for those of five seconds, as long as requests are held
back; once all are busy Apache closes connections that were kept open"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with the older PostgreSQL, and more tables than are upgraded in seconds."""
    with systemd_host(NEWEST_SUITE, tmp_path_factory.mktemp("logical")) as booted:
        make_older(booted)
        more_tables(booted, TABLES)
        yield booted


def upgrade(host: SystemdHost, **variables: str) -> Done:
    inputs = {**NEW_INPUTS, **LOGICAL}
    return host.play("upgrade.yml", stack_inputs=inputs, logical="yes", **variables)


def upgrade_now(host: SystemdHost) -> Done:
    return host.run("stackctl", "upgrade", "--logical", check=False)


def facts(host: SystemdHost) -> str:
    return sql(host, FACTS)


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


def test_an_input_and_two_statements_make_it_possible(host: SystemdHost) -> None:
    sql(host, "ALTER TABLE event_now REPLICA IDENTITY FULL")
    sql(host, "SELECT lo_unlink(424242)")
    host.under_load(
        lambda: host.played("site.yml", stack_inputs={**OLD_INPUTS, **LOGICAL}), most=MOST
    )
    assert sql(host, "SHOW wal_level") == "logical"


def test_a_rehearsal_says_how_long_requests_would_wait_and_changes_nothing(
    host: SystemdHost,
) -> None:
    before = facts(host)
    refused = upgrade_now(host)
    assert (refused.returncode, "upgrade --rehearse --logical first" in refused.stderr) == (2, True)
    done = host.under_load(lambda: upgrade(host, rehearse="yes"), most=MOST)
    assert done.returncode == 0, done.stdout[-4000:]
    print(*re.findall(r"requests would be held back for [^\"]*", done.stdout))
    assert "sorted anew: app: public.customer_name" in done.stdout
    assert "pg_amcheck has nothing against it" in done.stdout
    require_the_old_one(host, before)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_it_leaves_the_old_one_serving(host: SystemdHost, moment: str) -> None:
    before = facts(host)
    host.under_load(lambda: cut_off(host, MOMENTS[moment], "--logical"), most=MOST)
    require_the_old_one(host, before)


def test_a_table_that_is_made_meanwhile_is_refused(host: SystemdHost) -> None:
    before = facts(host)
    create = "psql -h /run/stack/postgres -d app -c 'CREATE TABLE meanwhile (a int PRIMARY KEY)'"
    words = f"until {CONVERTS}; do sleep 0.05; done; runuser -u postgres -- {create}"
    making = threading.Thread(target=lambda: host.run("timeout", "90", "sh", "-c", words))
    making.start()
    done = host.under_load(lambda: upgrade_now(host), most=MOST)
    making.join()
    assert done.returncode == 2
    assert "tables, functions, rights or roles were changed since the copy was made" in done.stderr
    sql(host, "DROP TABLE meanwhile")
    require_the_old_one(host, before)


def loaded(host: SystemdHost, done: Done) -> None:
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    print(*re.findall(r"requests were held back for \S+ s of \d+", done.stdout))


def test_it_loses_no_request_and_what_is_written_meanwhile_arrives(host: SystemdHost) -> None:
    host.limit()
    sql(host, "INSERT INTO customer (mail) VALUES ('before')")
    before, ticket = facts(host), int(sql(host, "SELECT last_value FROM ticket"))
    loaded(host, host.under_load(lambda: upgrade(host), most=MOST))
    assert version(host) == NEW
    # A materialized view is filled anew.
    assert facts(host).split("|")[::2] == before.split("|")[::2]
    assert int(sql(host, "SELECT nextval('ticket')")) > ticket
    asked = "SELECT count(*) FROM pg_subscription UNION ALL SELECT count(*) FROM pg_publication"
    assert sql(host, asked).split() == ["0", "0"]
    assert sql(host, "SELECT count(*) FROM pg_replication_slots") == "0"

    loaded(host, host.under_load(lambda: back(host), page="/db", most=MOST))
    assert (version(host), facts(host)) == (OLD, before)
    host.played("site.yml", stack_inputs={**OLD_INPUTS, **LOGICAL})

    loaded(host, host.under_load(lambda: upgrade(host), most=MOST))
    host.run("stackctl", "upgrade", "--finish")
    assert host.run("test", "-e", f"/var/lib/postgresql/{OLD}/main", check=False).returncode == 1
    host.played("site.yml", stack_inputs=NEW_INPUTS)
    assert (version(host), sql(host, "SHOW wal_level")) == (NEW, "replica")
    assert host.run("stackctl", "verify", check=False).returncode == 0


def back(host: SystemdHost) -> Done:
    return host.run("stackctl", "upgrade", "--back", check=False)
