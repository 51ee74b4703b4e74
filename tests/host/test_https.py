"""HTTPS on a Debian 13 host: a certificate by ACME and its renewal, the user's own files, and
changes under load.

Its key and Apache's logs are kept from Django.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attacks
import projects
import pytest
from authority import DIRECTORY, Authority, authority
from deployed_host import deployed_host
from systemd_host import INPUTS, SystemdHost, changed

from fixtures import certificates
from fixtures.releases import CLUSTER, DATA, NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]

NAME = str(INPUTS["hosts"][0])
SITE = {**INPUTS, "port": 443}
ACME = {**SITE, "tls": "acme", "acme_email": "admin@shop.example", "acme_directory": DIRECTORY}
OWN = ("/root/own.pem", "/root/own.key")
FILES = {**SITE, "tls": "files", "tls_certificate": OWN[0], "tls_key": OWN[1]}
STORE = f"/etc/stack-tls/acme/domains/{NAME}"
FLAG = "/etc/stack-tls/message/renewed"
BODIES = ("/var/cache/stack-bodies-a", "/var/cache/stack-bodies-b")
TAKES_SECONDS = 120
"""a certificate is asked for, an instance starts with it, and the one before is drained"""


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """A certificate authority."""
    with authority(tmp_path_factory.mktemp("authority")) as running:
        yield running


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, acme: Authority) -> Iterator[SystemdHost]:
    """A host with a certificate by ACME; it trusts the authority's address, as one with a private
    authority has to."""
    trust = f"--volume={acme.certificate}:/usr/local/share/ca-certificates/authority.crt:ro"
    place = (f"--network={acme.network}", f"--network-alias={NAME}", "--publish=127.0.0.1::443")
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("host"), trust, *place) as booted:
        booted.run("update-ca-certificates")
        done = booted.play("site.yml", stack_inputs=ACME)
        assert done.returncode == 0, (
            f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}\n{acme.said()[-2000:]}"
        )
        yield booted


def said(host: SystemdHost, *command: str) -> str:
    return host.run(*command).stdout.strip()


def under_load(host: SystemdHost, change: Callable[[], subprocess.CompletedProcess[str]]) -> str:
    """Make a change that succeeds under a steady load over HTTPS; fails when a request or a write
    was lost."""
    done = host.under_load(change, "https")
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr}"
    return done.stdout


def shaken(host: SystemdHost, trusted: Path) -> tuple[str, str | None]:
    """Serial number of the site's certificate, whose chain and name are good, and the protocol that
    was negotiated."""
    context = ssl.create_default_context(cafile=str(trusted))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", host.port(443)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as connection,
    ):
        return str(
            (connection.getpeercert() or {})["serialNumber"]
        ), connection.selected_alpn_protocol()


def takeovers(host: SystemdHost) -> int:
    """How often a new certificate has come into use."""
    return host.run("journalctl", "--unit=stack-renewed", "--output=cat").stdout.count("took over")


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TAKES_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"no {what} after {TAKES_SECONDS} s"
        time.sleep(0.5)


def idle(host: SystemdHost) -> bool:
    state = host.run(
        "systemctl", "show", "--property=ActiveState", "--value", "stack-renewed.service"
    ).stdout
    return state == "inactive\n" and host.run("test", "-e", FLAG, check=False).returncode == 1


def test_site_is_served_with_a_certificate_that_the_authority_has_made(
    host: SystemdHost, acme: Authority
) -> None:
    assert shaken(host, acme.root)[1] == "h2"
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is missing; apt-get install curl")
    ask = [
        curl,
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--http2",
        "--cacert",
        str(acme.root),
    ]
    told = ["--output", "/dev/null", "--write-out", "HTTP/%{http_version} %{http_code}"]
    where = ["--connect-to", f"::127.0.0.1:{host.port(443)}", f"https://{NAME}/db"]
    done = subprocess.run(
        [*ask, *told, *where], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.stdout, done.stderr) == ("HTTP/2 200", "")


@pytest.mark.parametrize("key", [f"{STORE}/privkey.pem", "/etc/stack-tls/key.pem"])
def test_code_in_django_does_not_read_a_key(host: SystemdHost, key: str) -> None:
    assert "PRIVATE KEY" in host.run("cat", key).stdout
    for account in ("app", "deploy", "apache"):
        assert not attacks.as_account(host, account, f"cat {key}"), account
    assert not attacks.inside_django(host, f"cat {key}")
    assert not attacks.inside_django(host, f"ls {Path(key).parent}/.")


def test_plain_http_leads_to_https(host: SystemdHost) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", host.port(80), timeout=10)
    connection.request("GET", "/ledger/?a=1", headers={"Host": NAME})
    answer = connection.getresponse()
    connection.close()
    assert (answer.status, answer.getheader("Location")) == (301, f"https://{NAME}/ledger/?a=1")


def test_stack_is_what_was_planned(host: SystemdHost) -> None:
    verified = host.run("stack-manage", "stack_verify", check=False)
    assert verified.returncode == 0, verified.stdout


@pytest.mark.slow
def test_a_second_run_changes_nothing(host: SystemdHost) -> None:
    again = host.played("site.yml", stack_inputs=ACME)
    assert changed(again) == 0, again.stdout


OF_APACHE = {
    "the access log is read": "cat /var/log/stack/apache-access.log",
    "the access log is added to": "echo forged >> /var/log/stack/apache-access.log",
    "the access log is replaced": "mv -f /var/log/stack/apache-access.log /var/log/stack/old",
    "the error log is emptied": ": > /var/log/stack/apache-error.log",
    "the directory of the key is entered": "ls /etc/stack-tls/.",
    "a certificate is put there": "touch /etc/stack-tls/certificate.pem",
    "a socket is put beside Django's": "touch /run/stack/apache/wsgi.sock",
    "the number of Apache's process is changed": "echo 1 > /run/stack/apache/apache2.pid",
    "a body is put in the place of another": "touch /var/cache/stack-bodies/body-1",
}


@pytest.mark.parametrize("attempt", OF_APACHE)
def test_code_in_django_reaches_nothing_of_apaches(host: SystemdHost, attempt: str) -> None:
    assert not attacks.inside_django(host, OF_APACHE[attempt])


def test_code_in_django_signals_no_process_of_apaches(host: SystemdHost) -> None:
    django = attacks.daemons(host)
    others = [process for process in attacks.of_apache(host) if process not in django]
    assert len(others) > 1
    assert attacks.inside_django(host, f"kill -0 {' '.join(django)}")
    for process in others:
        assert not attacks.inside_django(host, f"kill -0 {process}"), process


def test_django_holds_no_descriptor_of_the_access_log(host: SystemdHost) -> None:
    """Apache's parent has one, and the daemon processes are its children."""
    (parent, *_) = attacks.of_apache(host)
    held = {
        process: said(host, "sh", "-c", f"readlink /proc/{process}/fd/*")
        for process in attacks.daemons(host)
    }
    assert "/apache-access.log" in said(host, "sh", "-c", f"readlink /proc/{parent}/fd/*")
    assert [process for process, files in held.items() if "/apache-access.log" in files] == []


def test_apaches_parent_alone_has_capabilities_and_few(host: SystemdHost) -> None:
    """CHOWN, KILL, SETGID, SETUID and NET_BIND_SERVICE (capabilities(7)); none that opens a file of
    others."""
    (parent, *children) = attacks.of_apache(host).values()
    assert parent == ("root", "00000000000004e1")
    assert set(children) == {("apache", "0" * 16), ("app", "0" * 16)}


@pytest.mark.parametrize("place", ["/run/stack/postgres/.s.PGSQL.5432", f"{DATA}/PG_VERSION"])
def test_where_apache_runs_the_database_is_nobodys(host: SystemdHost, place: str) -> None:
    """Its parent may become any account."""
    assert attacks.as_account(host, "postgres", f"test -r {place}")
    assert not attacks.inside_django(host, f"test -r {place}", "postgres")


def test_what_apaches_workers_leave_is_deleted_and_no_link_of_theirs_is_followed(
    host: SystemdHost,
) -> None:
    kept = f"{attacks.OWNED}-bodies/kept"
    host.run("install", "-D", "/dev/null", kept)
    for place in BODIES:
        assert attacks.as_account(host, "apache", f"ln -sT {attacks.OWNED}-bodies {place}/out")
    for _ in BODIES:
        host.run("stackctl", "restart", "apache")
    assert said(host, "find", *BODIES, "-name", "out") == ""
    assert said(host, "ls", kept) == kept
    assert attacks.owned(host) == [f"{attacks.OWNED}-bodies"]


def test_renewal_comes_into_use_without_losing_a_request(
    host: SystemdHost, acme: Authority
) -> None:
    """It is revoked. mod_md asks twice a day what the authority wants, and when an instance
    starts."""
    before, count = shaken(host, acme.root)[0], takeovers(host)
    chain, key = (
        host.run("cat", f"{STORE}/{name}").stdout for name in ("pubcert.pem", "privkey.pem")
    )
    acme.revoke(chain, key)

    def renew() -> subprocess.CompletedProcess[str]:
        done = host.run("stackctl", "restart", "apache", check=False)
        wait(lambda: takeovers(host) > count and idle(host), "renewal")
        return done

    under_load(host, renew)
    assert shaken(host, acme.root)[0] != before
    assert host.failed() == ""


@pytest.mark.slow
def test_renewal_that_comes_while_the_one_before_comes_into_use_is_not_forgotten(
    host: SystemdHost,
) -> None:
    count = takeovers(host)
    message = ("runuser", "-u", "apache", "--", "/usr/local/lib/stack/acme-message", FLAG)
    host.run(*message, "renewing", NAME)
    assert idle(host), "only what is there comes into use"
    host.run(*message, "renewed", NAME)
    wait(
        lambda: (
            "activating" in host.run("systemctl", "is-active", "stack-renewed", check=False).stdout
        ),
        "start",
    )
    wait(lambda: host.run("test", "-e", FLAG, check=False).returncode == 1, "answer to the first")
    host.run(*message, "renewed", NAME)
    wait(lambda: takeovers(host) == count + 2 and idle(host), "second takeover")


@pytest.mark.slow
def test_pgbouncer_is_replaced_without_losing_a_request(host: SystemdHost) -> None:
    assert "took over" in under_load(
        host, lambda: host.run("stackctl", "restart", "pgbouncer", check=False)
    )


@pytest.mark.slow
def test_postgresql_restarts_without_losing_a_request(host: SystemdHost) -> None:
    under_load(host, lambda: host.run("systemctl", "restart", CLUSTER, check=False))


def make_own(host: SystemdHost) -> Path:
    """A certificate of the user's own and its key, new on the host; a copy of the certificate
    here."""
    certificate, key = OWN
    host.run(*certificates.openssl(f"DNS:{NAME}", key, certificate))
    copy = host.directory / "own.pem"
    copy.write_text(host.run("cat", certificate).stdout)
    return copy


@pytest.mark.slow
def test_files_new_code_and_their_renewal_lose_no_request(
    host: SystemdHost, tmp_path: Path
) -> None:
    own = make_own(host)
    two = projects.make(tmp_path / "two", "two")
    under_load(host, lambda: host.play("site.yml", stack_inputs={**FILES, **projects.inputs(two)}))
    before = shaken(host, own)[0]
    own = make_own(host)
    assert "took over" in under_load(
        host, lambda: host.run("stackctl", "apply", "apache", check=False)
    )
    assert shaken(host, own)[0] != before
