"""PostgreSQL's next major version under load: rehearsed, refused, cut off, done, taken back."""

from __future__ import annotations

import json
import re
import subprocess
import time
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
    version,
)
from rehearsed_backups import SIZE, SPOILT, WITHOUT, read_bytes, timelines
from systemd_host import SystemdHost, systemd_host

from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]
Done = subprocess.CompletedProcess[str]
BACKUP_SECONDS = 240
"""for a full backup, which requests come before"""
ROWS = 60000
"""of a kilobyte: more than the database has otherwise"""
PROGRAM = f"/usr/lib/postgresql/{NEW}/bin/pg_upgrade"
MOMENTS = {
    "while the copy is made": f"test -e /var/lib/postgresql/{OLD}/main.upgrade/PG_VERSION",
    "while pg_upgrade runs": "pgrep -x pg_upgrade",
    "once the new version runs": f"systemctl is-active postgresql@{NEW}-main",
}
MOST = 70
"""requests/s: a host of 2 GB has workers for those of ten seconds, as long as requests are held
back; once all are busy Apache closes connections that were kept open"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with the older PostgreSQL, which has been rehearsed."""
    with systemd_host(NEWEST_SUITE, tmp_path_factory.mktemp("upgrade")) as booted:
        make_older(booted)
        done = upgrade(booted, rehearse="yes")
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
        booted.run("sh", "-c", f"cat > /root/said <<'E'\n{done.stdout}\nE")
        yield booted


def upgrade(host: SystemdHost, **variables: str) -> Done:
    return host.play("upgrade.yml", stack_inputs=NEW_INPUTS, **variables)


def require_the_old_one(host: SystemdHost, before: str) -> None:
    """It serves with all of its rows, and nothing is left of a try."""
    assert (version(host), facts(host)) == (OLD, before)
    assert left_behind(host) == ""
    assert host.run("stackctl", "status", check=False).returncode == 0
    assert host.failed() == ""


def test_the_plan_for_another_version_is_refused_by_site_yml(host: SystemdHost) -> None:
    before = started(host)
    done = host.play("site.yml", stack_inputs=NEW_INPUTS)
    assert done.returncode == 2
    assert f"the database of this host is PostgreSQL {OLD}'s" in " ".join(done.stdout.split())
    assert started(host) == before


def test_a_rehearsal_says_how_long_requests_would_wait_and_changes_nothing(
    host: SystemdHost,
) -> None:
    said = host.run("cat", "/root/said").stdout
    assert re.search(r"requests would be held back for \d+\.\d s: stop 1\.0 \+ promote", said)
    assert re.search(r"704 workers of Apache hold \d+ requests/s for so long", said)
    assert "sorted anew: app: public.customer_name" in said
    assert "sorted anew: app: public.customer_title" in said
    assert "customer_words" in said
    assert "pg_amcheck has nothing against it" in said
    assert re.search(r"\d+ tables with the same rows, \d+ sequences go on", said)
    assert re.search(r"copied from the backup \d{8}-\d{6}F and its archive in \d+ s", said)
    assert version(host) == OLD
    assert left_behind(host) == ""


def rehearse(host: SystemdHost) -> Done:
    return host.run("stackctl", "upgrade", "--rehearse", check=False)


def test_a_rehearsal_reads_the_backup_and_not_the_server_that_serves(host: SystemdHost) -> None:
    """What was written after the backup comes from the archive."""
    rows = f"SELECT repeat('x', 900) FROM generate_series(1, {ROWS})"
    sql(host, f"CREATE TABLE later WITH (autovacuum_enabled = off) AS {rows}")
    size, before, known = int(sql(host, SIZE)), read_bytes(host), timelines(host)
    done = rehearse(host)
    read = read_bytes(host) - before
    print(f"{read // 1024**2} MB of {size // 1024**2} were read", done.stdout)
    assert (done.returncode, "copied from the backup " in done.stdout) == (0, True), done.stderr
    assert read < size / 2
    assert timelines(host) == known, "the copy, which was promoted, archives nothing"
    sql(host, "DROP TABLE later")
    assert left_behind(host) == ""


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_backup_that_cannot_be_restored_is_refused_with_the_remedy(
    host: SystemdHost, spoilt: str
) -> None:
    spoil, mend, words = SPOILT[spoilt]
    before = started(host), facts(host)
    host.run("sh", "-ec", spoil)
    try:
        done = rehearse(host)
    finally:
        host.run("sh", "-ec", mend)
    print(done.stderr)
    assert (done.returncode, bool(re.search(words, done.stderr))) == (2, True), done.stderr
    assert "othing was changed" in done.stderr
    assert (started(host), facts(host)) == before
    assert left_behind(host) == ""


@pytest.mark.parametrize("without", WITHOUT)
def test_without_a_backup_the_server_that_serves_is_copied(host: SystemdHost, without: str) -> None:
    take, put_back = WITHOUT[without]
    host.run("sh", "-ec", take)
    size, before = int(sql(host, SIZE)), read_bytes(host)
    try:
        done = rehearse(host)
    finally:
        host.run("sh", "-ec", put_back)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert re.search(r"copied from the server that serves in \d+ s: there is no ", done.stdout)
    assert read_bytes(host) - before > size / 2, "the way of measuring works"
    assert left_behind(host) == ""


@pytest.mark.parametrize(
    ("make", "undo", "words"),
    [
        ("CREATE UNLOGGED TABLE fast ()", "DROP TABLE fast", "public.fast is unlogged"),
        (
            "SELECT pg_create_physical_replication_slot('left')",
            "SELECT pg_drop_replication_slot('left')",
            "the replication slot left would be gone",
        ),
        (
            "CREATE EXTENSION ip4r",
            "DROP EXTENSION ip4r",
            f"app: the extension ip4r has no files for PostgreSQL {NEW}",
        ),
    ],
)
def test_what_would_stop_it_is_named_with_its_remedy(
    host: SystemdHost, make: str, undo: str, words: str
) -> None:
    host.run("apt-get", "install", "-qqy", f"postgresql-{OLD}-ip4r")
    sql(host, make)
    try:
        done = host.run("stackctl", "upgrade", "--rehearse", check=False)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    finally:
        sql(host, undo)
    assert left_behind(host) == ""


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_it_leaves_the_old_one_serving(host: SystemdHost, moment: str) -> None:
    before = facts(host)
    host.under_load(lambda: cut_off(host, MOMENTS[moment]), most=MOST)
    require_the_old_one(host, before)


def refused(host: SystemdHost) -> Done:
    return host.run("stackctl", "upgrade", check=False)


SPOILED = f"""
mv {PROGRAM} {PROGRAM}.own
printf '#!/bin/sh\\necho some check fatal; exit 1' > {PROGRAM}
chmod 755 {PROGRAM}"""
STAGED = "/etc/stack/upgrade/new.json"


@pytest.mark.parametrize(
    ("spoil", "mend", "words"),
    [
        (SPOILED, f"mv {PROGRAM}.own {PROGRAM}", "pg_upgrade: some check fatal"),
        (
            f"cp {STAGED} /root; sed -i \"s#directories = '/run#directories = '/away#\" {STAGED}",
            f"cp /root/new.json {STAGED}",
            f"postgresql@{NEW}-main",
        ),
        (
            f"cp {STAGED} /root; sed -i s/wal_compression/wal_compresion/ {STAGED}",
            f"cp /root/new.json {STAGED}",
            "wal_compresion",
        ),
    ],
    ids=["pg_upgrade fails", "the new one does not start", "a setting is unknown"],
)
def test_a_step_that_fails_leaves_the_old_one_serving(
    host: SystemdHost, spoil: str, mend: str, words: str
) -> None:
    before = facts(host)
    host.run("sh", "-c", spoil)
    try:
        done = host.under_load(lambda: refused(host), most=MOST)
    finally:
        host.run("sh", "-c", mend)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    require_the_old_one(host, before)


def loaded(host: SystemdHost, change: Callable[[], Done], page: str = "") -> Done:
    done = host.under_load(change, page=page, most=MOST)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    print(*re.findall(r"requests were held back for \S+ s of \d+", done.stdout))
    return done


def require_backups(host: SystemdHost) -> None:
    """A full one of the version that serves, which can be restored."""
    deadline = time.monotonic() + BACKUP_SECONDS
    state = ("systemctl", "is-active", "stack-backup@full")
    while host.run(*state, check=False).stdout.strip() in ("active", "activating"):
        assert time.monotonic() < deadline
        time.sleep(1)
    host.run("stackctl", "drill")
    told = host.run("stackctl", "backups", check=False)
    assert told.returncode == 0, told.stdout


def test_a_hold_that_requests_cannot_wait_for_is_refused_with_its_sum(host: SystemdHost) -> None:
    before, file = started(host), "/etc/stack/upgrade/rehearsed.json"
    known = json.loads(host.run("cat", file).stdout)
    seconds = {name: f"{value:.1f}" for name, value in known["steps"].items()}
    host.run("cp", file, "/root")
    host.run("sed", "-i", 's/"pg_upgrade": [0-9.]*/"pg_upgrade": 4711.0/', file)
    done = refused(host)
    host.run("cp", "/root/rehearsed.json", file)
    assert done.returncode == 2
    steps = {"stop": "1.0", **seconds, "pg_upgrade": "4711.0", "switch": "3.0"}
    assert " + ".join(f"{name} {value}" for name, value in steps.items()) in done.stderr
    assert "and they fail after 39 s. Raise stack_inputs.request_timeout to" in done.stderr
    assert started(host) == before


def test_it_loses_no_request_and_the_way_back_neither(host: SystemdHost) -> None:
    host.limit()
    before, ticket = facts(host), int(sql(host, "SELECT last_value FROM ticket"))
    done = loaded(host, lambda: upgrade(host))
    assert "pg_amcheck has nothing against it" in done.stdout
    assert (version(host), facts(host)) == (NEW, before)
    assert int(sql(host, "SELECT nextval('ticket')")) > ticket
    updated = (
        "SELECT count(*) FROM pg_available_extensions WHERE installed_version <> default_version"
    )
    assert sql(host, updated) == "0"
    assert sql(host, "SELECT count(*) FROM pg_stats WHERE tablename = 'customer'") != "0"
    require_backups(host)

    sql(host, "INSERT INTO customer (mail) VALUES ('later')")
    # What is written to the new one meanwhile is lost with it, so nothing is.
    loaded(host, lambda: host.run("stackctl", "upgrade", "--back", check=False), page="/db")
    assert (version(host), facts(host)) == (OLD, before)
    done = host.played("site.yml", stack_inputs=OLD_INPUTS)
    require_backups(host)

    loaded(host, lambda: upgrade(host))
    assert (version(host), facts(host)) == (NEW, before)
    host.run("stackctl", "upgrade", "--finish")
    assert host.run("stackctl", "upgrade", "--back", check=False).returncode == 2
    assert host.run("test", "-e", f"/var/lib/postgresql/{OLD}/main", check=False).returncode == 1
    host.reboot()
    host.run("timeout", "60", "sh", "-c", "until stackctl status; do sleep 0.3; done")
    assert (version(host), facts(host)) == (NEW, before)
    assert host.run("stackctl", "verify", check=False).returncode == 0
