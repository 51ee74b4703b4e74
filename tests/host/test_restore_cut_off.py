"""Restores that do not come to their end: what was there before serves again, or what was restored,
and the next one succeeds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
from deployed_host import deployed_host
from docker_engine import docker
from host_database import sql
from ledger import Ledger
from systemd_host import SystemdHost

from fixtures.releases import CLUSTER, DATA, NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(900)]
Done = subprocess.CompletedProcess[str]
REPOSITORY = "/var/lib/pgbackrest"
BUNDLE = f"$(find {REPOSITORY}/backup/stack/*F/bundle -type f | sort | tail -1)"
MARK = "/var/lib/stack-restore/under-way.json"
MEDIA = "/var/lib/stack-media"
OWN = "; ".join(
    (
        f"systemctl stop {CLUSTER}",
        *(
            f"cp -a {place} {place}.own; rm -r {place}; mv {place}.own {place}"
            for place in (DATA, MEDIA)
        ),
        f"systemctl start {CLUSTER}; stackctl restart apache",
    )
)
"""A container cannot rename a directory of the image that it began with (overlayfs)."""
ASIDE = f"ls -d {DATA}.before-*"
CONTROL = f"{DATA}/global/pg_control"
MOMENTS = {
    "while the backup is copied": f"{ASIDE} && pgrep -x pgbackrest",
    "while WAL is replayed": f"test -e {DATA}/recovery.signal && test -e {CONTROL}",
    "once it is replayed": f"{ASIDE} && test -e {CONTROL} && ! test -e {DATA}/recovery.signal",
}
BACK_SECONDS = 120
"""for stack-watch.timer, twice a minute, and for what it does"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with backups."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("cut-off")) as booted:
        booted.run("sh", "-ec", OWN)
        yield booted


def left_behind(host: SystemdHost) -> str:
    """Data that were set aside, and the mark; copies that go on, and units that failed."""
    there = f"{ASIDE} {MARK} 2> /dev/null; pgrep -af '[p]gbackrest.* restore'; true"
    return host.run("sh", "-c", there).stdout + host.failed()


def wait_for_page(host: SystemdHost) -> float:
    """Seconds until the site answers, and nothing is under way."""
    began = time.monotonic()
    done = f"until stackctl status && ! test -e {MARK} -o -e /run/stack/site-stopped; do sleep 0.5; done"
    host.run("timeout", str(BACK_SECONDS), "sh", "-c", f"({done}) > /dev/null 2>&1")
    host.page()
    return time.monotonic() - began


def transfer(host: SystemdHost, words: str) -> str:
    """Write something that has to be there afterwards; returns its key."""
    key = words.replace(" ", "-").replace(",", "")
    Ledger(host).transfer(key)
    return key


def require_before(host: SystemdHost, key: str) -> None:
    """The database is as it was, and a restore succeeds."""
    ledger = Ledger(host)
    assert (ledger.has(key), left_behind(host)) == ([True], "")
    host.run("stackctl", "restore", "latest")
    assert ledger.has(key) == [True]
    assert ledger.balanced()
    host.run("sh", "-c", f"rm -r {DATA}.before-*")
    assert left_behind(host) == ""


LIMITED = "/usr/local/bin/pgbackrest"
PROGRAM = """'#!/bin/sh' 'case $* in *restore) trap "" XFSZ; ulimit -f 500;; esac' 'exec /usr/bin/pgbackrest "$@"'"""
SPOILT = {
    "a backup that is damaged": (
        f"cp -p {BUNDLE} /root/good; dd if=/dev/zero of={BUNDLE} bs=1 seek=60000 count=64 conv=notrunc",
        f"cp -p /root/good {BUNDLE}",
    ),
    "a repository that goes away": (
        # As soon as the old data are aside, which is after all that is checked.
        f"(until {ASIDE}; do sleep 0.01; done; chmod 0 {REPOSITORY}/backup) > /dev/null 2>&1 &",
        # Whose timer may have come meanwhile.
        f"chmod 750 {REPOSITORY}/backup; systemctl start stack-facts",
    ),
    "a disk that takes no more": (
        # By a limit for each file: a write that fails, as on a full disk.
        f"printf '%s\\n' {PROGRAM} > {LIMITED}; chmod 755 {LIMITED}",
        f"rm {LIMITED}",
    ),
}
"""what is done before a restore, and how it is undone"""


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_fails_midway_leaves_the_database_of_before_and_says_what_to_do(
    host: SystemdHost, spoilt: str
) -> None:
    key = transfer(host, f"kept with {spoilt}")
    spoil, mend = SPOILT[spoilt]
    host.run("sh", "-ec", spoil)
    try:
        done = host.run("stackctl", "restore", "latest", check=False)
    finally:
        host.run("sh", "-ec", mend)
    print(done.stderr)
    assert done.returncode == 2
    assert "The backup cannot be copied: " in done.stderr
    assert "ERROR:" in done.stderr
    assert "Once that is mended, run it again" in done.stderr
    assert "The database is as it was before, and runs." in done.stderr
    assert "Apache runs again." in done.stdout
    require_before(host, key)


def cut_off(host: SystemdHost, condition: str, signal: str, words: str = "restore latest") -> Done:
    """Send stackctl a signal as soon as the condition holds."""
    with subprocess.Popen(
        ["docker", "exec", host.container, "stackctl", *words.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        first = f"$(pgrep -of '[s]tackctl {words}')"
        kill = f"until {condition}; do sleep 0.005; done; kill -{signal} {first}"
        host.run("timeout", "60", "sh", "-c", f"({kill}) > /dev/null 2>&1")
        said, complained = running.communicate(timeout=BACK_SECONDS)
    return subprocess.CompletedProcess((), running.returncode, said, complained)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_the_site_is_back_by_itself(host: SystemdHost, moment: str) -> None:
    key = transfer(host, f"kept {moment}")
    done = cut_off(host, MOMENTS[moment], "KILL")
    assert done.returncode not in (0, 2), done
    print(f"{moment}: back after {wait_for_page(host):.0f} s")
    told = host.run("journalctl", "--unit=stack-watch", "--output=cat").stdout
    assert "a restore was cut off" in told
    print([line for line in told.splitlines() if "a restore was cut off" in line][-1:])
    if "replayed" in moment:  # it may have been, by the time that somebody looks
        host.run("sh", "-c", f"rm -rf {DATA}.before-*")
    require_before(host, key)


def test_files_that_were_to_be_restored_leave_the_site_served(host: SystemdHost) -> None:
    host.run("runuser", "-u", "app", "--", "touch", f"{MEDIA}/public/photo")
    host.run("stackctl", "files", "save")
    cut_off(host, "test -e /run/stack/site-stopped", "KILL", "files restore")
    wait_for_page(host)
    assert left_behind(host) == ""


def test_one_that_is_told_to_end_puts_back_what_was_there(host: SystemdHost) -> None:
    key = transfer(host, "kept told to end")
    done = cut_off(host, MOMENTS["while the backup is copied"], "TERM")
    assert (done.returncode, done.stderr.strip().splitlines()) == (
        2,
        ["stackctl: It was stopped.", "The database is as it was before, and runs."],
    )
    host.page()
    require_before(host, key)


def test_a_host_that_loses_its_power_meanwhile_serves_what_was_there(host: SystemdHost) -> None:
    key = transfer(host, "kept without power")
    with subprocess.Popen(
        ["docker", "exec", host.container, "stackctl", "restore", "latest"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        copies = MOMENTS["while the backup is copied"]
        host.run("timeout", "60", "sh", "-c", f"until {copies}; do sleep 0.005; done > /dev/null")
        docker("kill", host.container)
        running.wait(60)
    docker("start", host.container)
    host.wait()
    host.limit()
    host.write_inventory()
    print(f"back {wait_for_page(host):.0f} s after the boot")
    host.run("systemctl", "reset-failed", check=False)
    require_before(host, key)


def test_a_restore_where_nothing_was_can_be_run_again(host: SystemdHost) -> None:
    key = transfer(host, "kept where nothing was")
    sql(host, "SELECT pg_switch_wal()")
    host.run("systemctl", "stop", CLUSTER)
    host.run("rm", "-rf", DATA)
    spoil, mend = SPOILT["a backup that is damaged"]
    host.run("sh", "-ec", spoil)
    try:
        done = host.run("stackctl", "restore", "latest", check=False)
    finally:
        host.run("sh", "-ec", mend)
    assert (done.returncode, "There is no database." in done.stderr) == (2, True), done.stderr
    host.run("stackctl", "restore", "latest")
    assert Ledger(host).has(key) == [True]
    assert left_behind(host) == ""
