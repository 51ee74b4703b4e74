"""Backups of a real host: kept encrypted, restored to the transaction, rehearsed, and never
silently broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deployed_host import deployed_host
from host_database import now, sql, started
from ledger import Ledger
from systemd_host import SystemdHost, changed

from fixtures.releases import CLUSTER, DATA, NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]

REPOSITORY = "/var/lib/pgbackrest"
FILES = "/var/lib/pgbackrest-files"
MEDIA = "/var/lib/stack-media"
OWN = (
    f"cp --archive {MEDIA} {MEDIA}.own && rm -r {MEDIA} && mv {MEDIA}.own {MEDIA}"
    " && stackctl restart apache"
)
"""A container cannot rename a directory of the image that it began with (overlayfs), as a restore
of files does."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host that site.yml has set up with nothing said about backups."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("backup")) as booted:
        booted.run("sh", "-c", OWN)
        yield booted


@pytest.fixture
def ledger(host: SystemdHost) -> Ledger:
    return Ledger(host)


def set_aside(host: SystemdHost) -> list[str]:
    return host.run("sh", "-c", f"ls -d {DATA}.before-* 2>/dev/null || true").stdout.split()


def test_a_new_host_has_a_backup_and_a_schedule(host: SystemdHost) -> None:
    told = host.run("stackctl", "backups")
    assert "(full)" in told.stdout
    assert "last WAL" in told.stdout
    timers = host.run("systemctl", "list-timers", "--plain", "--no-legend").stdout
    assert {
        f"stack-{name}.timer" in timers for name in ("backup-full", "backup-incr", "drill")
    } == {True}
    assert host.failed() == ""


@pytest.mark.parametrize("account", ["app", "deploy", "pooler", "nobody"])
def test_backups_and_passphrase_are_closed_to_everybody_but_the_database(
    host: SystemdHost, account: str
) -> None:
    secrets = "/etc/pgbackrest/conf.d/passphrase.conf"
    for path in (REPOSITORY, secrets):
        read = ["find", path, "-maxdepth", "1", "-readable"]
        assert path in host.run("runuser", "-u", "postgres", "--", *read).stdout, (
            "the way of asking works"
        )
        assert path not in host.run("runuser", "-u", account, "--", *read, check=False).stdout
    plan = host.run("cat", "/etc/stack/plan.json").stdout
    assert host.run("cat", secrets).stdout.strip().rpartition("=")[2] not in plan


def test_every_file_of_the_repository_is_encrypted(host: SystemdHost) -> None:
    show = f"find {REPOSITORY} -type f -exec head --bytes=8 {{}} \\; -exec echo \\;"
    heads = host.run("sh", "-c", show).stdout.split()
    assert len(heads) > 5
    assert set(heads) == {"Salted__"}


def test_a_drill_of_a_damaged_backup_fails_and_everybody_sees_it(host: SystemdHost) -> None:
    (bundle, *_) = host.run(
        "find", f"{REPOSITORY}/backup/stack/latest/bundle", "-type", "f"
    ).stdout.split()
    host.run("cp", "--preserve", bundle, "/root/good")
    try:
        host.run(
            "dd", "if=/dev/zero", f"of={bundle}", "bs=1", "seek=60000", "count=64", "conv=notrunc"
        )
        assert host.run("stackctl", "drill", check=False).returncode == 2
        assert host.run("systemctl", "is-failed", "stack-drill").stdout == "failed\n"
        told = host.run("stackctl", "backups", check=False)
        assert (told.returncode, "drill      failed" in told.stdout) == (1, True), told.stdout
        assert host.run("ls", "/var/lib/stack-backup").stdout.split() == ["drill.json"]
    finally:
        host.run("cp", "--preserve", "/root/good", bundle)
    host.run("stackctl", "drill")
    assert host.run("stackctl", "backups").returncode == 0


def test_a_backup_that_fails_is_told(host: SystemdHost) -> None:
    info = f"{REPOSITORY}/backup/stack/backup.info"
    host.run("sh", "-c", f"mkdir /root/aside && mv {info}* /root/aside/")
    try:
        assert host.run("systemctl", "start", "stack-backup@incr", check=False).returncode != 0
        told = host.run("stackctl", "backups", check=False)
        assert (told.returncode, "stack-backup@incr.service failed" in told.stdout) == (1, True), (
            told.stdout
        )
    finally:
        host.run("sh", "-c", f"mv /root/aside/* {Path(info).parent}/")
    host.run("systemctl", "start", "stack-backup@incr")
    assert host.run("stackctl", "backups").returncode == 0


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("2020-01-01 00:00:00+00", "before the end of the oldest backup"),
        ("2999-01-01 00:00:00+00", "in the future"),
        ("2026-11-24 13:00:00", "time zone"),
        ("last tuesday", "is not a restore target"),
        ("xid:4000000000", "has not happened yet"),
    ],
)
def test_a_target_that_cannot_be_reached_is_refused_and_nothing_is_touched(
    host: SystemdHost, target: str, reason: str
) -> None:
    before = started(host)
    refused = host.run("stackctl", "restore", target, check=False)
    assert (refused.returncode, reason in refused.stderr) == (2, True), refused.stderr
    assert started(host) == before
    assert set_aside(host) == []


def test_a_restore_asks_first(host: SystemdHost) -> None:
    before = started(host)
    asked = host.play("restore.yml", backup_target="latest")
    assert (asked.returncode, "confirm=yes" in asked.stdout, changed(asked)) == (2, True, 0), (
        asked.stdout
    )
    assert started(host) == before


def test_the_database_that_was_there_comes_back_when_recovery_fails(
    host: SystemdHost, ledger: Ledger
) -> None:
    ledger.transfer("before-failure")
    failed = host.run("stackctl", "restore", "name:nobody-made-it", check=False)
    assert failed.returncode == 2
    assert "recovery ended before configured recovery target was reached" in failed.stderr
    assert ledger.has("before-failure") == [True]
    assert ledger.balanced()
    assert set_aside(host) == []


@pytest.mark.slow
def test_a_point_in_time_brings_the_ledger_back_to_the_transaction(
    host: SystemdHost, ledger: Ledger
) -> None:
    ledger.transfer("time-1", "time-2", "time-3")
    target = now()
    ledger.transfer("time-4", "time-5")
    done = host.played("restore.yml", backup_target=target, confirm="yes")
    assert changed(done) == 1, "the restore itself: the plan was in force already"
    assert ledger.has("time-1", "time-2", "time-3", "time-4", "time-5") == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert ledger.balanced()
    (kept,) = set_aside(host)
    assert kept in done.stdout, "where the old one is, is told"
    ledger.transfer("time-4")


@pytest.mark.slow
def test_a_restore_can_stop_at_one_transaction(host: SystemdHost, ledger: Ledger) -> None:
    ledger.transfer("xid-1", "xid-2", "xid-3")
    xid = sql(host, "SELECT xmin FROM ledger_transfer WHERE key = 'xid-2'")
    host.run("stackctl", "restore", f"xid:{xid}")
    assert ledger.has("xid-1", "xid-2", "xid-3") == [True, True, False]
    assert ledger.balanced()


@pytest.mark.slow
def test_a_time_that_an_earlier_restore_left_behind_is_reached_on_its_timeline(
    host: SystemdHost, ledger: Ledger
) -> None:
    first = now()
    ledger.transfer("left-1")
    second = now()
    ledger.transfer("left-2")
    host.run("stackctl", "restore", first)
    assert ledger.has("left-1", "left-2") == [False, False]
    refused = host.run("stackctl", "restore", second, check=False)
    assert refused.returncode == 2
    timeline = refused.stderr.partition("--timeline ")[2].split()[0]
    host.run("stackctl", "restore", "--timeline", timeline, second)
    assert ledger.has("left-1", "left-2") == [True, False]


def store(host: SystemdHost, name: str, mode: str, account: str = "app") -> None:
    """A file that the site has written, with its name in it."""
    words = f"umask 0002; mkdir -p $(dirname {MEDIA}/{name}); echo {name} > {MEDIA}/{name}"
    host.run("runuser", "-u", account, "--", "sh", "-c", f"{words}; chmod {mode} {MEDIA}/{name}")


def listing(host: SystemdHost) -> list[str]:
    """All that is in the site's files, with owner, mode and where links lead."""
    words = ["find", MEDIA, "-printf", "%P %u %g %m %l\\n"]
    return sorted(host.run(*words).stdout.splitlines())


def test_files_are_kept_with_the_database_for_root_alone(host: SystemdHost) -> None:
    assert "none to keep yet" in host.run("stackctl", "backups").stdout
    store(host, "public/photo.txt", "0644")
    store(host, "data/INDEX_DIR/private.key", "0600")
    store(host, "data/INDEX_DIR/index", "0640", "deploy")
    host.run("runuser", "-u", "app", "--", "ln", "-s", "/etc/shadow", f"{MEDIA}/public/link")
    host.run("systemctl", "start", "stack-backup@incr")
    host.run("systemctl", "start", "stack-files")  # the one that follows it, or another
    assert "kept" in host.run("stackctl", "backups").stdout
    for account in ("app", "deploy", "postgres", "pooler"):
        read = ["runuser", "-u", account, "--", "find", FILES, "-maxdepth", "1", "-readable"]
        assert host.run(*read, check=False).stdout == ""
    assert host.run("grep", "-rl", "photo", FILES, check=False).stdout == "", "it is encrypted"


@contextmanager
def damaged(host: SystemdHost) -> Iterator[None]:
    """Within it what is kept of files can be listed, and not read."""
    show = ["find", f"{FILES}/data", "-type", "f", "-size", "+0"]
    packs = host.run(*show).stdout.split()
    host.run("cp", "-a", f"{FILES}/data", "/root/good-files")
    try:
        for pack in packs:
            host.run("dd", "if=/dev/zero", f"of={pack}", "bs=1", "count=32", "conv=notrunc")
        yield
    finally:
        host.run("cp", "-aT", "/root/good-files", f"{FILES}/data")
        host.run("rm", "-r", "/root/good-files")


@pytest.mark.slow
def test_a_drill_of_damaged_files_fails_and_everybody_sees_it(host: SystemdHost) -> None:
    with damaged(host):
        assert host.run("stackctl", "files", "drill", check=False).returncode == 2
        told = host.run("stackctl", "backups", check=False)
        assert (told.returncode, "files      drill failed" in told.stdout) == (1, True), told.stdout
    host.run("stackctl", "drill")  # its unit has the other in tow
    assert "files      drill passed" in host.run("stackctl", "files", "drill").stdout
    assert host.run("stackctl", "backups").returncode == 0


@pytest.mark.slow
def test_files_that_cannot_be_read_leave_those_that_are_there_beside_the_rows(
    host: SystemdHost, ledger: Ledger
) -> None:
    host.run("stackctl", "files", "save")
    target, before = now(), listing(host)
    ledger.transfer("after-the-files")
    host.run("stackctl", "files", "save")
    store(host, "public/newest.txt", "0644")
    with damaged(host):
        done = host.run("stackctl", "restore", target, check=False)
    assert done.returncode == 2
    assert "The database is restored, and the files stay as they are: " in done.stderr
    assert "Apache runs again." in done.stdout
    assert ledger.has("after-the-files") == [False]
    assert "newest.txt" in "".join(listing(host))
    host.run("stackctl", "files", "restore")
    assert listing(host) == before
    assert host.failed() == ""


@pytest.mark.slow
def test_files_that_are_there_stay_unless_a_snapshot_is_as_young_as_the_rows(
    host: SystemdHost, ledger: Ledger
) -> None:
    before = listing(host)
    target = now()
    host.run("stackctl", "files", "save")
    store(host, "public/later.txt", "0644")
    done = host.run("stackctl", "restore", "latest")
    assert "The site has files as they are now; the last snapshot is older" in done.stdout
    assert "later.txt" in "".join(listing(host))
    done = host.run("stackctl", "restore", target)
    assert "The database is as of" in done.stdout
    assert "The site has files of" in done.stdout
    assert listing(host) == before


def test_a_lost_data_directory_comes_back_with_its_last_transaction_and_lost_files_with_it(
    host: SystemdHost, ledger: Ledger
) -> None:
    before = listing(host)
    host.run("rm", "-rf", MEDIA)
    ledger.transfer("last")
    sql(host, "SELECT pg_switch_wal()")
    host.run("systemctl", "stop", CLUSTER)
    host.run("rm", "-rf", DATA)
    host.run("stackctl", "restore", "latest")
    assert listing(host) == before
    assert ledger.has("last") == [True]
    assert ledger.balanced()
    verified = host.run("stack-manage", "stack_verify", check=False)
    assert verified.returncode == 0, verified.stdout
    assert host.failed() == ""
