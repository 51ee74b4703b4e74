"""A cluster of two database hosts and a witness, with a web host: set up by one run, then hit."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from asking import secrets
from cluster_hosts import MEMBERS, WEB, Cluster, cluster_hosts
from docker_engine import docker
from hardening.asked import require_gone
from ledger import Ledger
from systemd_host import SystemdHost, changed

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]

WITNESS = "db3"
HEALTHY = ("stackctl", "healthy", "--within", "120")
SINCE = ("systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value")
MARK = "/var/lib/stack-restore/under-way.json"
OF_WITNESS = ("/var/lib/stack-etcd", "/etc/stack-database")
KILLED = """
until ls -d /var/lib/postgresql/*/main.before-* && pgrep -x pgbackrest; do sleep 0.005; done
kill -KILL $(pgrep -of '[s]tackctl restore')"""


class Witnessed(Cluster):
    """Two members have a database."""

    whole = "sync"

    def groups(self) -> dict[str, Mapping[str, SystemdHost]]:
        databases = {name: host for name, host in self.members.items() if name != WITNESS}
        witness = {WITNESS: self.members[WITNESS]}
        return {"database": databases, "witness": witness, "web": {WEB: self.web}}


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """All four."""
    with cluster_hosts(tmp_path_factory.mktemp("witnessed"), kind=Witnessed) as booted:
        booted.web.played("site.yml")
        booted.wait()
        yield booted


def test_a_witness_has_etcd_alone_and_says_so(witnessed: Cluster) -> None:
    witness = witnessed.members[WITNESS]
    said = witness.run("stackctl", "verify").stdout
    assert "this host is the witness, with etcd alone" in said
    assert f"{witnessed.leader()} leads, timeline " in said
    assert "etcd       3 members" in said
    assert witness.run("stackctl", "status").returncode == 0
    units = witness.run("systemctl", "list-units", "--plain", "--no-legend", "stack-*")
    running = {line.split()[0] for line in units.stdout.splitlines() if " running " in line}
    assert {"stack-etcd.service", "stack-silence.service"} <= running
    assert not {unit for unit in running if "patroni" in unit}
    passwords = witness.run("ls", "/etc/stack-database/passwords").stdout
    assert passwords == ""
    refused = witness.run("stackctl", "switchover", check=False)
    assert (refused.returncode, "Run it on db1 or db2." in refused.stderr) == (2, True)


def test_the_other_leads_when_the_host_of_the_leader_is_lost(witnessed: Cluster) -> None:
    """It and the witness end the lease, of 20 s."""
    leader = witnessed.leader()
    figures = witnessed.drill(lambda: witnessed.lose(leader), 18)
    assert figures.lost == 0, figures
    assert figures.silence < 15, figures
    assert witnessed.followed() not in ("", leader)
    told = witnessed.members[WITNESS].run("stackctl", "verify", check=False).stdout
    assert "no standby is synchronous: what is acknowledged is on one host" in told
    docker("start", witnessed.members[leader].container)
    witnessed.wait()


def test_a_lost_witness_fails_nothing(witnessed: Cluster) -> None:
    leader = witnessed.leader()
    figures = witnessed.drill(lambda: witnessed.lose(WITNESS), 12)
    assert (figures.failed, figures.lost) == (0, 0), figures
    assert witnessed.leader() == leader
    told = witnessed.members[leader].run("stackctl", "status", check=False)
    assert f"{WITNESS}: no answer" in told.stdout
    docker("start", witnessed.members[WITNESS].container)
    for host in witnessed.members.values():
        host.run(*HEALTHY)


def play(cluster: Cluster, *words: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook; fails with it."""
    began = time.monotonic()
    done = cluster.web.played(*words, **variables)
    print(f"{words[0]} took {time.monotonic() - began:.0f} s")
    return done


def require_healthy(cluster: Cluster) -> None:
    cluster.wait()
    for host in cluster.members.values():
        host.run(*HEALTHY)
        assert host.failed() == ""


def test_a_second_run_changes_nothing(witnessed: Cluster) -> None:
    assert changed(play(witnessed, "site.yml")) == 0
    assert changed(play(witnessed, "site.yml", "--limit=witness")) == 0


def test_all_take_turns_to_be_rebooted_without_a_failed_request(witnessed: Cluster) -> None:
    witnessed.limit()
    before = {name: host.run(*SINCE).stdout for name, host in witnessed.members.items()}
    led = witnessed.leader()

    def rolled() -> None:
        with witnessed.rebooting():
            play(witnessed, "rolling.yml", "--limit=database:witness")

    figures = witnessed.drill(rolled, 6)
    assert (figures.failed, figures.lost) == (0, 0), figures
    after = {name: host.run(*SINCE).stdout for name, host in witnessed.members.items()}
    assert [name for name in after if after[name] != before[name]] == [*witnessed.members]
    assert witnessed.leader() != led
    require_healthy(witnessed)


def test_new_passwords_and_certificates_lose_no_request(witnessed: Cluster) -> None:
    witness = witnessed.members[WITNESS]
    shown = ("openssl", "x509", "-noout", "-serial", "-in", "/etc/stack-database/etcd.pem")
    before, known = witness.run(*shown).stdout, secrets(witnessed.members[witnessed.leader()])
    figures = witnessed.drill(lambda: play(witnessed, "rotate.yml"), 6)
    assert (figures.failed, figures.lost) == (0, 0), figures
    assert witness.run(*shown).stdout != before
    assert witness.run("ls", "/etc/stack-database/passwords").stdout == ""
    assert not known.items() & secrets(witnessed.members[witnessed.leader()]).items()
    require_healthy(witnessed)
    witnessed.switchover()
    require_healthy(witnessed)


def test_a_backup_is_made_by_who_leads(witnessed: Cluster) -> None:
    kept = witnessed.backups(witnessed.leader())
    play(witnessed, "backup.yml")
    assert len(witnessed.backups(witnessed.leader())) == len(kept) + 1


def test_a_restore_that_fails_leaves_all_as_they_were(witnessed: Cluster) -> None:
    ledger, leader = Ledger(witnessed.web), witnessed.leader()
    ledger.transfer("before-a-failure")
    words = {"backup_target": "name:nobody-made-it", "confirm": "yes"}
    done = witnessed.web.play("restore.yml", **words)
    said = " ".join(done.stdout.split())
    assert done.returncode == 2
    assert "recovery ended before configured recovery target was reached" in said
    assert "Give another one. The database is as it was before, and runs." in said
    require_healthy(witnessed)
    assert ledger.has("before-a-failure") == [True]
    left = witnessed.members[leader].run(
        "sh", "-c", "ls -d /var/lib/postgresql/*/main.before-*", check=False
    )
    assert left.stdout == ""


def test_a_restore_whose_stackctl_is_killed_leaves_all_as_they_were(witnessed: Cluster) -> None:
    """Others lead meanwhile; the member that was to restore follows with what it had."""
    ledger, host = Ledger(witnessed.web), witnessed.members[witnessed.leader()]
    ledger.transfer("before-a-kill")
    words = ("timeout", "300", "sh", "-c", f"({KILLED}) > /dev/null 2>&1")
    killing = threading.Thread(target=lambda: host.run(*words, check=False))
    killing.start()
    done = witnessed.web.play("restore.yml", backup_target="latest", confirm="yes")
    killing.join()
    assert done.returncode == 2
    host.run("timeout", "120", "sh", "-c", f"while test -e {MARK}; do sleep 0.5; done")
    require_healthy(witnessed)
    assert ledger.has("before-a-kill") == [True]
    left = host.run("sh", "-c", "ls -d /var/lib/postgresql/*/main.before-*", check=False)
    assert left.stdout == ""


def test_all_go_back_to_a_moment(witnessed: Cluster) -> None:
    witnessed.limit()
    ledger = Ledger(witnessed.web)
    ledger.transfer("kept")
    moment = witnessed.sql("SELECT now()")
    time.sleep(1)
    ledger.transfer("undone")
    play(witnessed, "restore.yml", backup_target=moment, confirm="yes")
    require_healthy(witnessed)
    assert ledger.has("kept", "undone") == [True, False]
    assert ledger.balanced()


def test_a_standby_that_is_lost_during_a_restore_follows_later(witnessed: Cluster) -> None:
    """The first member: the others have what it shares as well. Releases go on without it."""
    witnessed.limit()
    standby, leader = MEMBERS[:2]
    if witnessed.leader() != leader:
        witnessed.switchover()
        require_healthy(witnessed)
    ledger = Ledger(witnessed.web)
    ledger.transfer("kept-without-a-standby")
    moment = witnessed.sql("SELECT now()")
    time.sleep(1)
    ledger.transfer("undone-without-a-standby")
    witnessed.members[leader].run("sh", "-c", "rm -rf /var/lib/postgresql/*/main.before-*")
    copies = "until ls -d /var/lib/postgresql/*/main.before-* && pgrep -x pgbackrest; do sleep 0.05; done"

    def lose() -> None:
        host = witnessed.members[leader]
        host.run("timeout", "300", "sh", "-c", f"({copies}) > /dev/null 2>&1", check=False)
        witnessed.lose(standby)

    losing = threading.Thread(target=lose)
    losing.start()
    done = witnessed.web.play("restore.yml", backup_target=moment, confirm="yes")
    losing.join()
    print(done.stdout[-1500:])
    assert ledger.has("kept-without-a-standby", "undone-without-a-standby") == [True, False]
    play(witnessed, "deploy.yml", f"--limit=all:!{standby}")
    docker("start", witnessed.members[standby].container)
    require_healthy(witnessed)
    assert witnessed.leader() == leader


def test_an_empty_host_takes_the_place_of_a_lost_witness(witnessed: Cluster) -> None:
    def replaced() -> None:
        witnessed.lose(WITNESS)
        witnessed.replace(WITNESS)
        play(witnessed, "site.yml")

    figures = witnessed.drill(replaced, 6)
    assert (figures.failed, figures.lost) == (0, 0), figures
    require_healthy(witnessed)
    assert changed(play(witnessed, "site.yml")) == 0


@pytest.mark.parametrize("data", ["keep", "delete"])
def test_a_witness_that_was_uninstalled_is_taken_up_again(witnessed: Cluster, data: str) -> None:
    witness = witnessed.members[WITNESS]
    words = ("uninstall.yml", f"--limit={WITNESS}", "-e", "confirm=yes", "-e", f"data={data}")
    figures = witnessed.drill(lambda: play(witnessed, *words), 6)
    assert (figures.failed, figures.lost) == (0, 0), figures
    require_gone(witness)
    left = witness.run("ls", "-d", *OF_WITNESS, check=False).stdout.split()
    assert sorted(left) == (sorted(OF_WITNESS) if data == "keep" else [])
    play(witnessed, "site.yml")
    require_healthy(witnessed)
