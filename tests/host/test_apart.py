"""Two web hosts and a database host apart: TLS and a password between them, renewed without losing
a request."""

from __future__ import annotations

import math
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from apart_hosts import (
    MEDIA,
    PASSWORDS,
    Apart,
    apart_hosts,
    listing,
    login,
    passwords,
    script,
    under_load,
    upload,
)
from figures import figures
from systemd_host import changed

from drills import load

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(900)]

CUT_SECONDS, BACK_SECONDS, ON_ITS_OWN_SECONDS = 20, 10, 4
REPOSITORY, PASSPHRASE = "/var/lib/pgbackrest-files", "/etc/pgbackrest/conf.d/passphrase.conf"
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """All three, set up by one run."""
    with apart_hosts(tmp_path_factory.mktemp("apart")) as booted:
        booted.web.played("site.yml")
        yield booted


def test_the_page_arrives_and_each_host_runs_its_part(apart: Apart) -> None:
    for web in (apart.web, apart.second):
        assert "<h1" in web.page()
        verified = web.run("stack-manage", "stack_verify", check=False)
        assert verified.returncode == 0, verified.stdout
        assert "certificate is ours" in verified.stdout
        assert "by icu:de-DE" in verified.stdout
        assert script(web, "ls /usr/lib/postgresql/*/bin/postgres").returncode != 0
    assert (apart.web.failed(), apart.second.failed(), apart.database.failed()) == ("", "", "")
    assert script(apart.database, "ls /usr/sbin/apache2 /usr/sbin/pgbouncer").returncode != 0
    ours, other = (
        web.run("cat", "/etc/stack-secrets/django_secret_key").stdout
        for web in (apart.web, apart.second)
    )
    assert len(ours) > 30
    assert ours == other, "all sign with one secret key"
    assert "files      none to keep yet" in apart.web.run("stackctl", "backups").stdout
    assert apart.database.run("stackctl", "status").stdout.split()[:5] == [
        "postgres",
        "runs",
        "metrics",
        "runs",
        "backup",
    ]
    refused = apart.database.run("stackctl", "restart", "pgbouncer", check=False)
    assert (refused.returncode, "which is a database host" in refused.stderr) == (2, True)


def test_a_second_run_changes_nothing(apart: Apart) -> None:
    again = apart.web.played("site.yml")
    assert changed(again) == 0, again.stdout


REFUSED = {
    "without TLS": ("app_monitor", {"sslmode": "disable"}, "no encryption"),
    "as a superuser": ("postgres", {}, "no pg_hba.conf entry"),
    "without a password": ("app", {}, "no password supplied"),
    "under another name": (
        "app_monitor",
        {"host": "database"},
        'does not match host name "database"',
    ),
    "by another authority": (
        "app_monitor",
        {"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"},
        "certificate verify failed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_postgresql_and_its_clients_refuse(apart: Apart, name: str) -> None:
    role, more, words = REFUSED[name]
    address = apart.database.run("hostname", "-i").stdout.split()[0]
    script(apart.web, f"grep -q database /etc/hosts || echo '{address} database' >> /etc/hosts")
    assert login(apart.web, "app_monitor").stdout == "app_monitor\n"
    done = login(apart.web, role, **more)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_firewall_of_the_database_host_lets_in_web_hosts_only(apart: Apart) -> None:
    with pytest.raises(TimeoutError):
        socket.create_connection((apart.database.address(), 5432), timeout=2)


def test_postgresql_refuses_a_stranger_without_a_firewall_too(apart: Apart) -> None:
    apart.database.run(
        "nft", "insert", "rule", "inet", "stack", "input", "tcp", "dport", "5432", "accept"
    )
    try:
        with socket.create_connection((apart.database.address(), 5432), timeout=5) as connection:
            connection.sendall(SSL_REQUEST)
            assert connection.recv(1) == b"S", "it offers TLS"
        with socket.create_connection((apart.database.address(), 5432), timeout=5) as connection:
            body = struct.pack("!i", 196608) + b"user\0app\0database\0app\0\0"
            connection.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = connection.recv(4096)
    finally:
        apart.database.run("nft", "-f", "/etc/stack/nftables.conf")
    assert answer.startswith(b"E")
    assert b"no pg_hba.conf entry" in answer


def test_secrets_are_where_they_belong_only(apart: Apart) -> None:
    for account, name in (
        ("app", "userlist.txt"),
        ("deploy", "userlist.txt"),
        ("app", "pgpass"),
        ("pooler", "pgpass"),
    ):
        done = apart.web.run(
            "runuser", "-u", account, "--", "cat", f"/etc/stack-database/{name}", check=False
        )
        assert "Permission denied" in done.stderr, f"{account} reads {name}"
    for secret in passwords(apart.database):
        for host in (apart.web, apart.database):
            paths = script(
                host, f"journalctl -q | grep -F '{secret}'; grep -rlF '{secret}' /etc /var/log /run"
            ).stdout
            assert {line.rsplit("/", 1)[0] for line in paths.splitlines()} <= {
                PASSWORDS,
                "/etc/stack-database",
            }


def test_rotation_loses_no_request(apart: Apart) -> None:
    before, certificate = (
        passwords(apart.database),
        script(apart.database, "cat /etc/stack-database/server.pem").stdout,
    )
    told = under_load(apart, "rotate.yml")
    after = passwords(apart.database)
    assert not set(before) & set(after)
    assert not [secret for secret in (*before, *after) if secret in told]
    assert script(apart.database, "cat /etc/stack-database/server.pem").stdout != certificate
    kept = f"install -m 600 -o deploy /dev/null /tmp/old; echo '*:*:*:*:{before[1]}' > /tmp/old"
    script(apart.web, kept)
    assert (
        "password authentication failed"
        in login(apart.web, "app_monitor", passfile="/tmp/old").stderr
    )
    for web in (apart.web, apart.second):
        assert web.run("stack-manage", "stack_verify", check=False).returncode == 0


def test_a_restart_of_the_database_host_loses_no_request(apart: Apart) -> None:
    under_load(apart, "restart.yml")


def test_a_web_host_goes_on_as_soon_as_the_server_is_back(apart: Apart) -> None:
    """Nobody tells it; in any case it would after the nine seconds that requests may wait."""
    apart.web.run("stackctl", "pause")
    apart.database.run("stackctl", "restart", "postgres")
    back = time.monotonic()
    assert apart.web.page("/db")
    assert time.monotonic() - back < ON_ITS_OWN_SECONDS


CUTS = {
    "packets are dropped": "true",
    "and PostgreSQL dies meanwhile": "systemctl kill --signal=KILL postgresql@*",
}


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_between_the_hosts_loses_no_write_and_is_over_when_it_ends(
    apart: Apart, name: str
) -> None:
    """The second leaves web hosts with connections that nobody has at the other end."""
    with load.users(apart, host=apart.web.name) as users:
        time.sleep(1)
        began = time.monotonic()
        apart.cut(CUT_SECONDS, CUTS[name])
        ended = time.monotonic()
        time.sleep(BACK_SECONDS)
    seen = users.figures(began)
    back = min((when for when in users.good if when > ended), default=math.inf) - ended
    print(f"{name}: {seen}; the first good answer {back:.1f} s after its end")
    assert seen.lost == 0
    assert back < BACK_SECONDS / 2
    assert set(seen.reasons) <= {"status 503", "status 504"}
    for web in (apart.web, apart.second):
        assert web.run("stack-manage", "stack_verify", check=False).returncode == 0


def test_each_web_host_keeps_its_files_under_its_own_name(apart: Apart) -> None:
    """With a passphrase of its own, for root alone; the database host keeps none."""
    hosts = {"web1": apart.web, "web2": apart.second}
    for name, host in hosts.items():
        upload(host, f"{name}.txt")
    done = apart.web.play("backup.yml")
    assert (done.returncode, "(incr)" in done.stdout) == (0, True), done.stdout[-4000:]
    for name, host in hosts.items():
        kept = f"{REPOSITORY}-{name}"
        assert "config" in host.run("ls", kept).stdout
        assert "drill passed" in host.run("stackctl", "files", "drill").stdout
        for command in ("backups", "status"):
            told = host.run("stackctl", command).stdout
            assert ("1 kept" in told, "1 files of" in told) == (True, True), told
        for account in ("app", "worker", "deploy", "apache", "pooler", "metrics", "nobody"):
            read = ["runuser", "-u", account, "--", "find", kept, PASSPHRASE, "-readable"]
            assert host.run(*read, check=False).stdout == "", account
        timers = host.run("systemctl", "list-timers", "--plain", "--no-legend").stdout
        assert ("stack-files.timer" in timers, "stack-files-drill.timer" in timers) == (True, True)
    assert (
        len({host.run("cat", PASSPHRASE).stdout for host in (*hosts.values(), apart.database)}) == 3
    )
    refused = apart.database.run("stackctl", "files", "save", check=False)
    assert (refused.returncode, "its web hosts have them" in refused.stderr) == (2, True)


def test_the_exporter_of_a_web_host_tells_how_old_its_backup_is(apart: Apart) -> None:
    assert "backup passed" in apart.second.run("stackctl", "facts").stdout
    (made,) = figures(apart.second, "pgstack_backup_timestamp_seconds")
    assert 0 < float(apart.second.now()) - made < 600
    assert figures(apart.second, "pgstack_plan_backup_oldest_seconds") == [30 * 3600]
    assert figures(apart.second, "pgstack_drill_passed") == [1]


def test_files_come_back_where_pages_have_put_a_link_in_their_place(apart: Apart) -> None:
    """Root writes the tree anew, and nothing through what the site's account left there."""
    before, etc = (
        listing(apart.web),
        apart.web.run("ls", "-l", "--time-style=full-iso", "/etc").stdout,
    )
    swap = f"cd {MEDIA} && rm -r public && ln -s /etc public && ln -s /etc/shadow private/web1.txt"
    apart.web.run("runuser", "-u", "app", "--", "sh", "-c", swap)
    done = apart.web.run("stackctl", "files", "restore").stdout
    assert "what was there before is in" in done
    assert ("<h1" in apart.web.page(), listing(apart.web)) == (True, before)
    assert apart.web.run("ls", "-l", "--time-style=full-iso", "/etc").stdout == etc
    apart.web.run("sh", "-c", f"rm -r {MEDIA}.before-*")


def test_files_that_cannot_be_kept_are_told_by_their_host(apart: Apart) -> None:
    config = f"{REPOSITORY}-web2/config"
    apart.second.run("mv", config, "/root/config")
    try:
        assert apart.second.run("stackctl", "files", "save", check=False).returncode == 2
        told = apart.second.run("stackctl", "backups", check=False)
        assert (told.returncode, "stack-files.service failed" in told.stdout) == (1, True)
    finally:
        apart.second.run("mv", "/root/config", config)
    apart.second.run("stackctl", "files", "save")
    assert apart.second.run("stackctl", "backups").returncode == 0


@pytest.mark.slow
def test_a_restore_stops_the_web_hosts_and_brings_rows_and_files_back(apart: Apart) -> None:
    ask = "runuser -u postgres -- psql -d app -Atc"
    before = script(apart.database, f"{ask} 'SELECT pg_current_xact_id()'").stdout.strip()
    time.sleep(1.5)  # a second is told in full
    for web in (apart.web, apart.second):
        upload(web, "kept.txt")
        web.run("stackctl", "files", "save")
        web.run("rm", f"{MEDIA}/public/kept.txt")
        upload(web, "later.txt")
    script(apart.database, f"{ask} 'TRUNCATE world'")
    refused = apart.web.play("restore.yml", backup_target="xid:999999999", confirm="yes")
    assert (refused.returncode, "has not happened yet" in refused.stdout) == (2, True)
    assert all("<h1" in web.page() for web in (apart.web, apart.second)), "none was stopped"
    done = apart.web.played("restore.yml", backup_target=f"xid:{before}", confirm="yes")
    assert int(script(apart.database, f"{ask} 'SELECT count(*) FROM world'").stdout) > 0
    assert "The database is as of" in done.stdout
    assert done.stdout.count("restore    files of") == 2, "the moment of both is told"
    for web in (apart.web, apart.second):
        assert "<h1" in web.page()
        there = web.run("ls", f"{MEDIA}/public").stdout.split()
        assert ("kept.txt" in there, "later.txt" in there) == (True, False)
