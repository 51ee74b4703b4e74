"""A cluster of three database hosts and a web host with two PgBouncers: set up by one run, then
hit."""

from __future__ import annotations

import json
import re
import time

import pytest
from asking import request, secrets
from cluster_faults import FAULTS
from cluster_hosts import MEMBERS, WEB, Cluster
from docker_engine import docker
from drilling import drilled
from figures import figures
from hardening.asked import require_gone, said
from ledger import Ledger
from network import both, lost
from pooler_units import led_to
from systemd_host import changed

pytestmark = [pytest.mark.host, pytest.mark.timeout(1800)]

AFTER_SECONDS = 6
"""of load once a fault is over"""
PHOTO = "/var/lib/stack-media/public/photo"
CUSTOMIZED = "/etc/python3*/sitecustomize.py"
"""what every Python of a host begins with"""
LATE = "import time; now = time.time; time.time = lambda: now() + 30"
AWAY_SECONDS = 12
"""until a lost host is replaced: one that answers sooner leads for as long as its lease"""
OF_MEMBER = ("/var/lib/postgresql/17/main", "/var/lib/stack-etcd", "/etc/stack-database")
"""what is kept of one that is uninstalled"""


def test_a_page_is_served(cluster: Cluster) -> None:
    assert "Django" in cluster.web.page()


@pytest.mark.slow
def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    done = cluster.web.play("site.yml")
    assert (done.returncode, changed(done)) == (0, 0), done.stdout[-4000:]


def test_hosts_with_clocks_apart_are_refused(cluster: Cluster) -> None:
    """Python of one member believes that it is half a minute later."""
    place = cluster.members[MEMBERS[1]]
    place.run("sh", "-c", f"sed -i '$a {LATE}' {CUSTOMIZED}")
    try:
        done = cluster.web.play("site.yml")
    finally:
        place.run("sh", "-c", f"sed -i '$d' {CUSTOMIZED}")
    said = " ".join(done.stdout.split())
    assert f"s or more ahead of that of {MEMBERS[1]}" not in said
    assert f"The clock of {MEMBERS[1]} is " in said
    assert (done.returncode, changed(done)) == (2, 0), said[-2000:]


def test_every_host_says_who_leads_and_who_is_missing(cluster: Cluster) -> None:
    leader = cluster.leader()
    said = cluster.members[leader].run("stackctl", "verify").stdout
    assert f"{leader} leads, timeline " in said
    assert "etcd       3 members" in said
    shown = json.loads(cluster.web.run("stackctl", "status", "--json").stdout)
    told = {server["name"]: server["told"] for server in shown["servers"]}
    assert told["follower"] == f"PgBouncer is led to {leader}, reads to {cluster.read_from()}"
    assert (shown["alerts"], shown["unknown"]) == ([], [])
    away = next(name for name in MEMBERS if name != leader)
    with lost(both(cluster.hosts(away), [*cluster.others(away), cluster.web])):
        done = cluster.web.run("stackctl", "status", check=False)
    assert done.returncode == 1
    assert re.search(f"members +{away} does not answer", done.stdout)
    cluster.wait()


def test_one_member_leads_and_another_has_every_acknowledged_write(cluster: Cluster) -> None:
    assert cluster.leader() in MEMBERS
    assert cluster.sql("SHOW synchronous_standby_names") != ""
    replicating = "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_replication"
    assert cluster.sql(f"{replicating} JOIN pg_stat_ssl USING (pid)") == "2|2"


def test_reads_go_to_a_standby_and_writes_never(cluster: Cluster) -> None:
    cluster.wait_for_reads(lambda there: there != cluster.followed())
    code = (
        "from django.db import connections; from demo.models import Fortune;"
        " reads = Fortune.objects.using('replica'); print(reads.count() > 1);"
        " cursor = connections['replica'].cursor();"
        " cursor.execute('SELECT pg_is_in_recovery(), host(inet_server_addr())');"
        " print(*cursor.fetchone()); {}"
    )
    place = cluster.members[cluster.read_from()].address()
    assert shell(cluster, code.format("")) == f"True\nTrue {place}\n"
    refused = shell(cluster, code.format("reads.update(message='no')"))
    assert "`replica` takes no writes, on a standby and on the primary alike" in refused
    refused = shell(
        cluster, code.format("cursor.execute('SELECT nextval(%s)', ['ledger_transfer_id_seq'])")
    )
    assert "cannot execute nextval() in a read-only transaction" in refused
    assert "ok   reads lead to a standby" in cluster.web.run("stack-manage", "stack_verify").stdout


def shell(cluster: Cluster, code: str) -> str:
    """What Django's shell says."""
    words = ("shell", "--verbosity=0", "--command", code)
    done = cluster.web.run("stack-manage", *words, check=False)
    return done.stdout + done.stderr


def test_etcd_and_patroni_refuse_who_has_no_certificate_or_password(cluster: Cluster) -> None:
    leader = cluster.members[cluster.leader()]
    place = f"https://{leader.address()}"
    assert "certificate required" in request(leader, f"{place}:2379/version")
    assert "HTTP Error 401" in request(leader, f"{place}:8008/restart", "{}")


def test_the_firewall_keeps_the_web_host_from_etcd(cluster: Cluster) -> None:
    place = cluster.members[cluster.leader()].address()
    probe = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
    reached = {
        port: cluster.web.run("python3", "-c", probe, place, str(port), check=False).returncode == 0
        for port in (5432, 8008, 2379, 2380)
    }
    assert reached == {5432: True, 8008: True, 2379: False, 2380: False}


def test_a_planned_switchover_loses_no_request(cluster: Cluster) -> None:
    before = cluster.leader()
    figures = cluster.drill(cluster.switchover, AFTER_SECONDS)
    assert (figures.failed, figures.lost) == (0, 0), figures
    assert figures.silence < 8, figures
    assert cluster.leader() != before
    cluster.wait()
    assert led_to(cluster.web) == [cluster.members[cluster.leader()].address()] * 2


def test_a_switchover_to_a_member_that_leads_is_refused(cluster: Cluster) -> None:
    leader = cluster.leader()
    words = ("stackctl", "switchover", "--to", leader)
    done = cluster.members[leader].run(*words, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        f"stackctl: --to {leader}: it leads already; nothing was done.\n",
    )


def test_a_killed_postgresql_on_the_leader_loses_no_write(cluster: Cluster) -> None:
    leader = cluster.members[cluster.leader()]
    kill = "kill -9 $(head -1 /var/lib/postgresql/17/main/postmaster.pid)"
    figures = cluster.drill(lambda: leader.run("sh", "-c", kill), 15)
    assert figures.lost == 0, figures
    assert figures.silence < 15, figures
    cluster.wait()


def test_a_lost_host_of_the_leader_loses_no_write(cluster: Cluster) -> None:
    """The others end its lease, of 20 s."""
    leader = cluster.leader()
    figures = cluster.drill(lambda: cluster.lose(leader), 18)
    assert figures.lost == 0, figures
    assert figures.silence < 15, figures
    assert cluster.followed() != leader
    docker("start", cluster.members[leader].container)
    cluster.wait()


def test_a_leader_that_is_cut_off_takes_no_write_beside_its_successor(cluster: Cluster) -> None:
    cut = next(fault for fault in FAULTS if fault.name == "cut-off-from-members")
    seen = drilled(cluster, cut, after=3)
    seen.require_sound()
    assert seen.users.silence < cut.silence, seen


def test_the_leader_alone_backs_up_what_all_members_can_read(cluster: Cluster) -> None:
    leader = cluster.leader()
    before = cluster.backups(leader)
    assert before, "the first run makes one"
    cluster.members[leader].run("systemctl", "start", "--no-block", "stack-backup@incr.service")
    cluster.members[leader].run("stackctl", "apply", "backup")
    cluster.members[leader].run("systemctl", "start", "stack-backup@incr.service")
    before = cluster.backups(leader)
    for host in cluster.members.values():
        host.run("systemctl", "start", "stack-backup@incr.service")
    assert [len(cluster.backups(name)) for name in MEMBERS] == [len(before) + 1] * len(MEMBERS)
    for name, host in cluster.members.items():
        told = host.run("stackctl", "backups").stdout
        assert ("archive  " in told) == (name == leader), told
        said = host.run("stackctl", "facts").stdout
        assert ("backup passed" in said) == (name == leader), said
    ages = [figures(host, "pgstack_backup_timestamp") for host in cluster.members.values()]
    assert sorted(map(len, ages)) == [0, 0, 1]
    assert cluster.store.readable() == [], "encrypted before it leaves the host"


@pytest.mark.slow
def test_each_member_looks_at_the_repository_when_it_is_verified(cluster: Cluster) -> None:
    leader = cluster.leader()
    for name, host in cluster.members.items():
        told = host.run("stackctl", "verify").stdout
        assert ("archive  " in told) == (name == leader), told
        assert ("the member that leads tells" in told) == (name != leader), told
    standby = next(cluster.members[name] for name in MEMBERS if name != leader)
    key = "/etc/pgbackrest/conf.d/passphrase.conf"
    standby.run("mv", key, f"{key}.away")
    try:
        done = standby.run("stackctl", "verify", check=False)
    finally:
        standby.run("mv", f"{key}.away", key)
    assert (done.returncode, "backup     " in done.stdout) == (1, True), done.stdout


@pytest.mark.slow
def test_the_web_host_keeps_its_files_beside_the_rows_of_all(cluster: Cluster) -> None:
    upload = f"echo of a visitor > {PHOTO}"
    cluster.web.run("runuser", "-u", "app", "--", "sh", "-c", upload)
    cluster.web.run("stackctl", "files", "save")
    assert "1 files of" in cluster.web.run("stackctl", "files", "drill").stdout
    kept = [name for name in cluster.store.objects() if f"-files-{WEB}/data/" in name]
    assert kept
    assert not any(b"of a visitor" in cluster.store.object(name) for name in kept)
    assert cluster.web.run("stackctl", "backups").returncode == 0


@pytest.mark.slow
def test_a_drill_is_the_leaders_and_known_to_all(cluster: Cluster) -> None:
    leader = cluster.leader()
    for name, host in cluster.members.items():
        done = host.run("stackctl", "drill", check=False)
        assert (done.returncode == 0) == (name == leader), done.stderr
    for host in cluster.members.values():
        assert "drill      passed" in host.run("stackctl", "backups").stdout


@pytest.mark.slow
def test_who_leads_next_archives_and_backs_up_at_once(cluster: Cluster) -> None:
    """What the one before had not archived is no hole that a restore falls into."""
    kept = cluster.backups(cluster.leader())
    cluster.switchover()
    cluster.wait()
    leader = cluster.members[cluster.leader()]
    assert "stack-backup@incr.service begins" in leader.run("stackctl", "facts").stdout
    leader.run("systemctl", "start", "stack-backup@incr.service")
    assert len(cluster.backups(cluster.leader())) > len(kept)
    assert "begins" not in leader.run("stackctl", "facts").stdout
    archived = "SELECT last_archived_wal FROM pg_stat_archiver WHERE last_failed_time IS NULL"
    timeline = cluster.sql("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
    assert cluster.sql(archived).startswith(timeline)


@pytest.mark.slow
def test_an_empty_host_takes_the_place_of_a_lost_leader(cluster: Cluster) -> None:
    lost = cluster.leader()

    def replaced() -> None:
        cluster.lose(lost)
        time.sleep(AWAY_SECONDS)
        cluster.replace(lost)
        began = time.monotonic()
        done = cluster.web.play("site.yml")
        print(f"site.yml took {time.monotonic() - began:.0f} s")
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        cluster.wait()

    figures = cluster.drill(replaced, AFTER_SECONDS)
    assert figures.lost == 0, figures
    assert figures.silence < 15, figures
    told = cluster.members[lost].run("stackctl", "verify").stdout
    assert "etcd       3 members" in told
    again = cluster.web.play("site.yml")
    assert (again.returncode, changed(again)) == (0, 0), again.stdout[-4000:]


@pytest.mark.slow
def test_the_whole_cluster_goes_back_to_a_moment(cluster: Cluster) -> None:
    ledger = Ledger(cluster.web)
    ledger.transfer("kept")
    moment = cluster.sql("SELECT now()")
    time.sleep(1)
    ledger.transfer("undone")
    cluster.web.run("sh", "-c", f"echo kept > {PHOTO}")
    cluster.web.run("stackctl", "files", "save")
    cluster.web.run("sh", "-c", f"echo undone > {PHOTO}")
    began = time.monotonic()
    done = cluster.web.play("restore.yml", backup_target=moment, confirm="yes")
    print(f"restore.yml took {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    cluster.wait()
    assert ledger.has("kept", "undone") == [True, False]
    assert cluster.web.run("cat", PHOTO).stdout == "kept\n"
    assert ledger.balanced()
    ledger.transfer("afterwards")
    cluster.switchover()
    cluster.wait()
    assert ledger.has("kept", "undone", "afterwards") == [True, False, True]


@pytest.mark.slow
def test_new_passwords_and_certificates_lose_no_request(cluster: Cluster) -> None:
    before = [secrets(host) for host in cluster.members.values()]

    def rotated() -> None:
        cluster.web.played("rotate.yml")
        cluster.wait()

    figures = cluster.drill(rotated, AFTER_SECONDS)
    assert (figures.failed, figures.lost) == (0, 0), figures
    after = [secrets(host) for host in cluster.members.values()]
    assert len({known["passwords"] for known in after}) == 1, "all members have the same"
    for old, new in zip(before, after, strict=True):
        assert not old.items() & new.items()
    cluster.switchover()
    cluster.wait()


@pytest.mark.slow
def test_a_member_and_a_web_host_that_were_uninstalled_are_taken_up_again(cluster: Cluster) -> None:
    """With their data; the other members serve on meanwhile."""
    standby = next(name for name in MEMBERS if name != cluster.leader())
    member = cluster.members[standby]
    ledger = Ledger(cluster.web)
    ledger.transfer("before")
    known = secrets(member)
    gone = cluster.uninstall(standby)
    for place in OF_MEMBER:
        assert place in gone.split("Say what was kept")[1]
    for host in (member, cluster.web):
        require_gone(host)
        assert said(host, "stat", "--format=%U %a", OF_MEMBER[-1]) == "root 700"
    assert cluster.uninstall(standby).count("changed=0 ") == 2
    cluster.web.played("site.yml")
    cluster.wait()
    assert (secrets(member), ledger.has("before")) == (known, [True])


@pytest.mark.slow
def test_data_of_a_member_are_deleted_when_that_is_said(cluster: Cluster) -> None:
    standby = next(name for name in MEMBERS if name != cluster.leader())
    member = cluster.members[standby]
    assert "Data was not kept" in cluster.uninstall(standby, "-e", "data=delete")
    for host in (member, cluster.web):
        require_gone(host)
        assert host.run("ls", "-d", *OF_MEMBER, check=False).stdout == ""
    left = member.run("find", "/var/lib/postgresql", "/var/log/postgresql", "-type", "f")
    assert left.stdout == ""
    assert cluster.leader() in MEMBERS
