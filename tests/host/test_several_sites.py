"""Two sites on one Debian 13 host: one Apache answers for both, neither reads anything of the
other's, and whatever is done with one loses no request of the other."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import projects
import pytest
from attacks import as_account
from systemd_host import SystemdHost, changed, systemd_host

from fixtures import steady_load
from fixtures.releases import NEWEST_POSTGRESQL, NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(900)]

SITES = {"shop": 2, "blog": 1}
ACCOUNTS = ("app", "apache", "worker", "deploy", "build", "postgres", "pooler")
CLOSED = (
    "/etc/site-shop",
    "/etc/site-shop-secrets",
    "/etc/site-shop-tls",
    "/etc/site-shop-pgbackrest",
    "/etc/sites-front/tls",
    "/run/site-shop",
    "/srv/site-shop",
    "/var/cache/site-shop/shop-app",
    "/var/lib/site-shop",
    "/var/lib/site-shop-pgbackrest",
    f"/var/lib/site-shop-postgresql/{NEWEST_POSTGRESQL}/shop",
    "/var/log/site-shop",
    "/var/log/sites-front",
)
"""directories of shop's; nobody of blog's may list one"""


def inputs(name: str, **more: Any) -> dict[str, Any]:
    """What the inventory of a site says."""
    return {
        "name": name,
        "sites": SITES,
        "address": "*",
        "port": 443,
        "tls": "self-signed",
        "hosts": [f"{name}.example"],
        "cores": 2,
        "memory": "2g",
        **more,
    }


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with both."""
    with systemd_host(NEWEST_SUITE, tmp_path_factory.mktemp("sites")) as booted:
        for name in SITES:
            site(booted, name, "site.yml")
        yield booted


def site(host: SystemdHost, name: str, playbook: str, *words: str, **more: Any) -> str:
    """A run for one of them that succeeds."""
    done = host.played(playbook, *words, stack_inputs=inputs(name, **more))
    return done.stdout


def within(host: SystemdHost) -> tuple[str, ...]:
    """Words that start a program in the host's network."""
    words = ("docker", "inspect", "--format={{.State.Pid}}", host.container)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return ("nsenter", f"--net=/proc/{done.stdout.strip()}/ns/net")


ASK = """
import socket, ssl, sys
scheme, name, path, *headers = sys.argv[1:]
client = socket.create_connection(("127.0.0.1", 443 if scheme == "https" else 80), 30)
if scheme == "https":
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_socket(client, server_hostname=name)
lines = [f"GET {path} HTTP/1.1", f"Host: {name}", "Connection: close", *headers, "", ""]
client.sendall("\\r\\n".join(lines).encode())
print(client.makefile("rb").read().decode(errors="replace"))
"""


def ask(host: SystemdHost, url: str, name: str, *headers: str) -> tuple[int, str]:
    """Status and text of an answer, asked on the host under a name."""
    scheme, _, path = url.partition("://x")
    done = host.run("python3", "-c", ASK, scheme, name, path, *headers)
    return int(done.stdout.split()[1]), done.stdout.strip()


def under_load(host: SystemdHost, name: str, change: Callable[[], Any]) -> Any:
    """Make a change under a steady load of one of them, through the front."""
    return steady_load.under_load("https://127.0.0.1", f"{name}.example", change, within(host))


def test_each_is_answered_by_its_name_and_proven(host: SystemdHost) -> None:
    for name in SITES:
        assert ask(host, "https://x/", f"{name}.example")[0] == http.client.OK
        host.run(f"stack-manage-{name}", "stack_verify")
        told = host.run(f"stackctl-{name}", "status").stdout
        assert re.search(r"^front +instance [ab]$", told, re.MULTILINE)
    assert host.failed() == ""


def test_a_second_run_changes_nothing(host: SystemdHost) -> None:
    for name in SITES:
        done = host.play("site.yml", stack_inputs=inputs(name))
        assert (done.returncode, changed(done)) == (0, 0), done.stdout[-4000:]


def test_names_that_no_site_has_are_refused_and_plain_http_is_led_to_tls(host: SystemdHost) -> None:
    assert ask(host, "https://x/", "other.example")[0] == http.client.MISDIRECTED_REQUEST
    assert ask(host, "http://x/", "other.example")[0] == http.client.MISDIRECTED_REQUEST
    status, text = ask(host, "http://x/path?a=b", "shop.example")
    assert status == http.client.MOVED_PERMANENTLY
    assert "Location: https://shop.example/path?a=b" in text
    (names,) = re.findall(
        "DNS:.*", host.run("sh", "-c", f"{CERTIFICATE} | openssl x509 -noout -text").stdout
    )
    assert names == "DNS:blog.example"


CERTIFICATE = "openssl s_client -connect 127.0.0.1:443 -servername blog.example </dev/null"


def test_what_a_visitor_says_of_himself_is_replaced(host: SystemdHost) -> None:
    claims = (
        "X-Forwarded-For: 10.9.9.9",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: http",
    )
    assert (
        ask(host, "https://x/claimed-address", "shop.example", *claims)[0] == http.client.NOT_FOUND
    )
    log = host.run("tail", "-5", "/var/log/site-shop/apache-access.log").stdout
    (line,) = [line for line in log.splitlines() if "/claimed-address" in line]
    assert '"client":"127.0.0.1"' in line


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_account_reads_anything_of_the_other_site(host: SystemdHost, account: str) -> None:
    who = f"blog-{account}"
    assert as_account(host, who, "true")
    assert [path for path in CLOSED if as_account(host, who, f"ls {path}/")] == []
    sockets = "/run/site-shop/postgres", "/run/site-shop/pooler"
    for place in sockets:
        for role in ("app", "app_owner", "postgres"):
            words = f"PGCONNECT_TIMEOUT=3 psql -h {place} -U {role} -Atc 'SELECT 1' app"
            assert not as_account(host, who, words)
    mine = host.run("pgrep", "--euid=shop-app,shop-postgres,shop-pooler").stdout.split()
    assert mine
    opened = [number for number in mine if as_account(host, who, f"cat /proc/{number}/environ")]
    assert opened == []


def test_the_front_reads_nothing_of_a_site(host: SystemdHost) -> None:
    open_to = [path for path in CLOSED if as_account(host, "front", f"ls {path}/")]
    assert open_to == []


CHANGES: dict[str, tuple[str, ...]] = {
    "apache takes over": ("stackctl-shop", "restart", "apache"),
    "pgbouncer takes over": ("stackctl-shop", "restart", "pgbouncer"),
    "postgresql restarts": ("systemctl", "restart", "postgresql@17-shop"),
    "the front takes over": ("stackctl-shop", "restart", "front"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("loaded", SITES)
def test_no_request_is_lost_through_the_front(host: SystemdHost, name: str, loaded: str) -> None:
    done = under_load(host, loaded, lambda: host.run(*CHANGES[name], check=False))
    assert done.returncode == 0, done.stderr


def test_a_release_and_the_way_back_lose_no_request_of_either(
    host: SystemdHost, tmp_path: Path
) -> None:
    given = projects.inputs(projects.make(tmp_path / "two", "two"))
    under_load(host, "shop", lambda: site(host, "shop", "site.yml", **given))
    assert ask(host, "https://x/mark", "shop.example")[1].endswith("two")
    given = projects.inputs(projects.make(tmp_path / "three", "three"))
    site(host, "shop", "deploy.yml", **given)
    under_load(host, "blog", lambda: site(host, "shop", "rollback.yml"))
    assert ask(host, "https://x/mark", "shop.example")[1].endswith("two")


def test_a_part_of_the_front_that_does_not_work_is_taken_back(host: SystemdHost) -> None:
    file = "/etc/site-shop/front/site.conf"
    host.run("cp", file, "/root/site.conf")
    host.run("sh", "-c", f"echo NoSuchDirective >> {file}")
    done = under_load(
        host, "blog", lambda: host.run("stackctl-shop", "apply", "front", check=False)
    )
    assert (done.returncode, "NoSuchDirective" in done.stderr) == (2, True)
    host.run("cp", "/root/site.conf", file)
    assert "unchanged" in host.run("stackctl-shop", "apply", "front").stdout


def test_one_is_restored_while_the_other_serves(host: SystemdHost) -> None:
    started = "SELECT pg_postmaster_start_time()"
    words = ("psql", "--host=/run/site-blog/postgres", "--username=postgres", "-Atc", started)
    asked = ("runuser", "-u", "blog-postgres", "--", *words)
    before = host.run(*asked).stdout
    own = "cp --archive $1 $1.own && rm -r $1 && mv $1.own $1 && stackctl-shop restart apache"
    host.run("sh", "-ec", own, "sh", "/var/lib/site-shop/media")  # as in test_backup.py
    done = under_load(
        host, "blog", lambda: host.run("stackctl-shop", "restore", "latest", check=False)
    )
    assert done.returncode == 0, done.stderr
    site(host, "shop", "site.yml")
    assert ask(host, "https://x/", "shop.example")[0] == http.client.OK
    assert host.run(*asked).stdout == before


def test_a_site_that_does_not_fit_is_refused_before_anything_changes(host: SystemdHost) -> None:
    before = host.now()
    third = {"sites": {**SITES, "wiki": 2}}
    done = host.play("site.yml", stack_inputs=inputs("wiki", **third))
    assert done.returncode != 0
    assert "the host has 2048 MB" in done.stdout
    assert "Nothing was changed" in done.stdout
    assert [path for path in host.changed_since(before) if "wiki" in path] == []


def test_one_goes_while_the_other_serves_and_comes_back(host: SystemdHost) -> None:
    gone = {"confirm": "yes", "data": "delete"}
    done = under_load(
        host,
        "blog",
        lambda: host.play("uninstall.yml", stack_inputs=inputs("shop"), **gone),
    )
    assert done.returncode == 0, done.stdout[-6000:]
    left = host.run(
        "find", "/etc", "/srv", "/run", "/usr/local", "/var", "-name", "*shop*", check=False
    ).stdout
    assert [path for path in left.splitlines() if "/dpkg/" not in path] == []
    accounts = host.run("getent", "passwd").stdout + host.run("getent", "group").stdout
    assert re.findall("^shop-.*", accounts, re.MULTILINE) == []
    assert ask(host, "https://x/", "shop.example")[0] == http.client.MISDIRECTED_REQUEST
    host.run("stack-manage-blog", "stack_verify")
    rules = json.loads(host.run("nft", "--json", "list", "table", "inet", "stack").stdout)
    assert rules["nftables"]


def test_the_last_one_takes_the_front_with_it(host: SystemdHost) -> None:
    host.played("uninstall.yml", stack_inputs=inputs("blog"), confirm="yes", data="delete")
    listed = host.run("systemctl", "list-unit-files", "site*", "--no-legend", check=False)
    assert listed.stdout == ""
    assert host.run("test", "-e", "/etc/sites-front", check=False).returncode == 1
