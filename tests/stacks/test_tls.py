"""STACK_TLS=self-signed on real servers: what is negotiated, what every answer carries, what is
refused."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack

HSTS = "max-age=31536000"


@pytest.fixture(scope="session")
def curl() -> str:
    """Path of a curl that speaks HTTP/2."""
    path = shutil.which("curl")
    known = (
        subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        if path
        else ""
    )
    if "HTTP2" not in known:
        pytest.skip("curl with HTTP/2 is missing; apt-get install curl")
    return path


def certificate(stack: LocalStack) -> Path:
    return stack.directory / "secrets/tls/certificate.pem"


def fetch(
    curl: str, stack: LocalStack, *options: str, path: str = "/plain", host: str = "127.0.0.1"
) -> str:
    """Version of HTTP and status of a page whose certificate was checked; curl's complaint when it
    has one."""
    where = ["--connect-to", f"::127.0.0.1:{stack.port}", f"https://{host}:{stack.port}{path}"]
    ask = [
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--globoff",
        "--cacert",
        str(certificate(stack)),
    ]
    told = ["--output", "/dev/null", "--write-out", "HTTP/%{http_version} %{http_code}", *options]
    done = subprocess.run(
        [curl, *ask, *told, *where], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stderr.strip() or done.stdout


def exchange(stack: LocalStack, request: str, tls: bool = True) -> str:
    """What the server sends back until it closes the connection."""
    context = ssl.create_default_context(cafile=str(certificate(stack)))
    with ExitStack() as opened:
        sock = opened.enter_context(socket.create_connection(("127.0.0.1", stack.port), timeout=30))
        if tls:
            sock = opened.enter_context(context.wrap_socket(sock, server_hostname="localhost"))
        sock.sendall(request.encode())
        return b"".join(iter(lambda: sock.recv(65536), b"")).decode()


def test_page_arrives_over_http2(curl: str, tls_stack: LocalStack) -> None:
    assert fetch(curl, tls_stack, "--http2", path="/db") == "HTTP/2 200"


def test_older_clients_get_http1(curl: str, tls_stack: LocalStack) -> None:
    assert fetch(curl, tls_stack, "--http1.1", path="/db") == "HTTP/1.1 200"


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "example.org", "www.example.org"]
)
def test_certificate_names_every_host_of_the_site(
    curl: str, tls_stack: LocalStack, host: str
) -> None:
    assert fetch(curl, tls_stack, host=host) == "HTTP/2 200"


def test_certificate_names_no_other_host(curl: str, tls_stack: LocalStack) -> None:
    assert "no alternative certificate subject name matches" in fetch(
        curl, tls_stack, host="example.com"
    )


def test_key_of_the_certificate_is_readable_by_its_account_only(tls_stack: LocalStack) -> None:
    key = tls_stack.directory / "secrets/tls/key.pem"
    assert key.stat().st_mode & 0o777 == 0o440
    assert {path.stat().st_mode & 0o777 for path in key.parents[:2]} == {0o700}


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_current_versions_of_tls_are_spoken(curl: str, tls_stack: LocalStack, version: str) -> None:
    assert fetch(curl, tls_stack, f"--tlsv{version}", "--tls-max", version) == "HTTP/2 200"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_old_versions_of_tls_are_refused_by_the_server(
    curl: str, tls_stack: LocalStack, version: str
) -> None:
    # At level 0 the client itself would speak them.
    options = (f"--tlsv{version}", "--tls-max", version, "--ciphers", "DEFAULT@SECLEVEL=0")
    assert "alert protocol version" in fetch(curl, tls_stack, *options)


@pytest.mark.parametrize(
    ("request_line", "host", "status"),
    [
        ("GET /plain", "localhost", 200),
        ("GET /no/such/page", "localhost", 404),
        ("GET /static/no-such-file", "localhost", 404),
        ("TRACE /", "localhost", 405),
        ("GET /", "elsewhere.example", 421),
        ("NO SENSE AT ALL", "localhost", 400),
    ],
)
def test_every_answer_says_once_to_come_back_over_tls(
    tls_stack: LocalStack, request_line: str, host: str, status: int
) -> None:
    answer = exchange(
        tls_stack, f"{request_line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert re.findall("(?im)^strict-transport-security: (.*?)\r$", answer) == [HSTS]


def test_plain_http_on_the_port_is_told_what_to_do(tls_stack: LocalStack) -> None:
    answer = exchange(tls_stack, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", tls=False)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "the address must begin with https://" in answer
    assert "Location:" not in answer


def test_application_knows_that_it_is_asked_over_tls(tls_stack: LocalStack) -> None:
    """With the redirect to TLS on, a scheme that did not reach Django would redirect for ever."""
    assert "SECURE_SSL_REDIRECT = True" in tls_stack.manage("diffsettings").stdout
    page = exchange(
        tls_stack, "GET /ledger/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert page.startswith("HTTP/1.1 200 ")
    assert "https://localhost/ledger/transfers" in page
    cookies = re.findall("(?im)^set-cookie: (.*?)\r$", page)
    assert cookies
    assert all("Secure" in cookie and "HttpOnly" in cookie for cookie in cookies)


def test_settings_pass_djangos_own_check_for_deployment(tls_stack: LocalStack) -> None:
    done = tls_stack.manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "2 silenced" in done.stdout, "with TLS only the two promises for subdomains are left out"


def test_verify_is_green_over_tls(tls_stack: LocalStack) -> None:
    done = tls_stack.manage("stack_verify", "--json")
    assert done.returncode == 0, done.stdout


def test_status_tells_an_address_with_https(tls_stack: LocalStack) -> None:
    done = tls_stack.manage("stack_local", "status")
    assert f"page      https://localhost:{tls_stack.port}/\n" in done.stdout


def test_up_keeps_the_certificate_and_the_servers_while_nothing_changes(
    tls_stack: LocalStack,
) -> None:
    before = certificate(tls_stack).read_text()
    done = tls_stack.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr
    assert "restart" not in done.stdout
    assert certificate(tls_stack).read_text() == before
