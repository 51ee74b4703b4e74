"""Two web hosts and a database host apart: TLS and a password between them, renewed without losing
a request."""

from __future__ import annotations

import math
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from apart_hosts import DATABASE_NAME, Apart, apart_hosts
from systemd_host import SystemdHost, changed

from drills import load

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(900)]

Done = TypeVar("Done")
PASSWORDS = "/etc/stack-database/passwords"
CUT_SECONDS, BACK_SECONDS, ON_ITS_OWN_SECONDS = 20, 10, 4
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """All three, set up by one run."""
    with apart_hosts(tmp_path_factory.mktemp("apart")) as booted:
        done = booted.web.play("site.yml")
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        yield booted


def script(host: SystemdHost, text: str) -> subprocess.CompletedProcess[str]:
    return host.run("sh", "-c", text, check=False)


def passwords(host: SystemdHost) -> list[str]:
    return script(host, f"cat {PASSWORDS}/app*").stdout.split()


def login(web: SystemdHost, role: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A login at PostgreSQL from a web host, as the account that deploys."""
    words = {
        "host": DATABASE_NAME,
        "user": role,
        "dbname": "app",
        "sslmode": "verify-full",
        "connect_timeout": "3",
        "sslrootcert": "/etc/stack-database/authority.pem",
        "passfile": "/etc/stack-database/pgpass",
        "sslcert": "/nonexistent",
        **more,
    }
    text = " ".join(f"{name}={value}" for name, value in words.items())
    return web.run(
        "runuser", "-u", "deploy", "--", "psql", text, "-Atc", "SELECT current_user", check=False
    )


def under_load(apart: Apart, playbook: str) -> str:
    """Run a playbook under a steady load on one web host and with a visitor on the other. What it
    printed.

    Fails when a request or a write was lost.
    """
    done = apart.web.under_load(lambda: visited(apart.second, lambda: apart.web.play(playbook)))
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def visited(host: SystemdHost, change: Callable[[], Done]) -> Done:
    """Make a change while somebody asks for a page that reads the database ten times a second.
    Fails when one fails."""
    over, failed, seen = threading.Event(), [], []

    def visit() -> None:
        while not over.wait(0.1):
            try:
                seen.append(host.page("/db"))
            except OSError as error:
                failed.append(str(error))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        done = change()
    finally:
        over.set()
        visitor.join()
    print(f"visitor: {len(failed)} of {len(failed) + len(seen)} failed")
    assert (failed, len(seen) > 20) == ([], True)
    return done


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
    again = apart.web.play("site.yml")
    assert again.returncode == 0, again.stdout
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


def test_a_restore_stops_the_web_host_and_brings_the_database_back(apart: Apart) -> None:
    ask = "runuser -u postgres -- psql -d app -Atc"
    before = script(apart.database, f"{ask} 'SELECT pg_current_xact_id()'").stdout.strip()
    script(apart.database, f"{ask} 'TRUNCATE world'")
    refused = apart.web.play("restore.yml", backup_target="xid:999999999", confirm="yes")
    assert (refused.returncode, "has not happened yet" in refused.stdout) == (2, True), (
        refused.stdout
    )
    for web in (apart.web, apart.second):
        assert "<h1" in web.page(), "no web host was stopped for good"
    done = apart.web.play("restore.yml", backup_target=f"xid:{before}", confirm="yes")
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(script(apart.database, f"{ask} 'SELECT count(*) FROM world'").stdout) > 0
    assert "<h1" in apart.web.page()
    assert "<h1" in apart.second.page()
