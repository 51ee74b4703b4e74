"""The table of docs/http.md, on real servers and beside Django's development server; slow bodies,
proxies, files."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from fixtures import development_server, foreign, raw_http
from fixtures.http_case import Case, Request
from fixtures.http_table import BYTES_TOO_MANY, CASES, OVER_HTTP2
from fixtures.local_stack import LocalStack, started

pytestmark = pytest.mark.integration

HOSTS = 'ALLOWED_HOSTS = ["localhost"]\n'
SLOW = "Content-Length: 60000\r\nContent-Type: text/plain"


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="project-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield foreign.make(Path(name) / "echo", "dj-database-url", HOSTS)


@pytest.fixture(scope="module")
def stack(project: Path) -> Iterator[LocalStack]:
    with started(STACK_PROJECT=str(project)) as running:
        yield running


@pytest.fixture(scope="module")
def development(stack: LocalStack, project: Path) -> Iterator[int]:
    with development_server.serving(stack, project) as port:
        yield port


def name(case: Case) -> str:
    return f"{case.about}: {case.what}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_request_has_the_outcome_that_the_table_says(stack: LocalStack, case: Case) -> None:
    assert raw_http.observe(stack.port, case) == case.stack


@pytest.mark.parametrize("case", [case for case in CASES if case.development != "-"], ids=name)
def test_development_server_differs_where_the_table_says(development: int, case: Case) -> None:
    expected = case.stack if case.development is None else case.development
    assert raw_http.observe(development, case) == expected


@pytest.mark.parametrize(
    "head",
    [
        f"POST /echo HTTP/1.1\r\n{SLOW}",
        f"PUT /echo HTTP/1.1\r\n{SLOW}",
        f"PATCH /echo HTTP/1.1\r\n{SLOW}",
    ],
)
def test_site_answers_beside_twice_as_many_slow_bodies_as_it_has_threads(
    stack: LocalStack, head: str
) -> None:
    with raw_http.slow_bodies(stack.port, 16, head):
        began = time.monotonic()
        statuses = [requests.get(f"{stack.url}/echo", timeout=10).status_code for _ in range(50)]
        took = time.monotonic() - began
    assert statuses == [200] * 50
    assert took < 5


def test_site_answers_beside_as_many_slow_headers_as_the_plan_says_and_as_many_idle_connections(
    stack: LocalStack,
) -> None:
    slow = json.loads((stack.directory / "conf/plan.json").read_text())["apache"]["slow_clients"]
    with raw_http.waiting(stack.port, {b"GET /echo HTTP/1.1\r\nX-Slow: ": slow, b"": slow}):
        began = time.monotonic()
        statuses = [requests.get(f"{stack.url}/echo", timeout=10).status_code for _ in range(50)]
        took = time.monotonic() - began
    assert (slow, statuses) == (160, [200] * 50)
    assert took < 5


def test_body_is_gone_from_the_disk_when_its_request_is_over(stack: LocalStack) -> None:
    answer = requests.post(f"{stack.url}/echo", data=b"x" * 1_000_000, timeout=10)
    assert answer.json()["body"] == 1_000_000
    with raw_http.slow_bodies(stack.port, 2, f"POST /echo HTTP/1.1\r\n{SLOW}"):
        assert len(list((stack.directory / "run/apache").glob("body-*"))) == 2
    stack.wait_until(lambda: not list((stack.directory / "run/apache").glob("body-*")))


def test_client_that_goes_before_its_body_ends_reaches_no_view(stack: LocalStack) -> None:
    for length, sent in (("Content-Length: 9", "ab"), ("Transfer-Encoding: chunked", "9\r\nab")):
        with socket.create_connection(("127.0.0.1", stack.port)) as client:
            client.sendall(
                f"POST /note?text=cut HTTP/1.1\r\nHost: "
                f"localhost\r\n{length}\r\n\r\n{sent}".encode()
            )
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100)[9:12] != b"200"
    assert stack.sql("SELECT count(*) FROM notes_note WHERE text = 'cut'") == "0"


def upload(stack: LocalStack, name: str) -> requests.Response:
    path = stack.directory / "media/public" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"<script>1</script>")
    path.chmod(0o644)
    return requests.get(f"{stack.url}/media/{name}", timeout=10)


@pytest.mark.parametrize("kind", ["html", "svg", "xhtml", "xml", "js", "unknown", "html.unknown"])
def test_uploads_are_shown_in_a_sandbox_that_nobody_frames(stack: LocalStack, kind: str) -> None:
    policy = re.split("; *", upload(stack, f"a.{kind}").headers["Content-Security-Policy"])
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'none'"} <= set(policy)


@pytest.mark.parametrize("hidden", [".htaccess", ".htpasswd", "a/.env", ".git/config"])
def test_hidden_files_among_uploads_are_never_served(stack: LocalStack, hidden: str) -> None:
    assert upload(stack, hidden).status_code == 404


TELLING = (
    "staticfiles.json",
    "deep/staticfiles.json",
    "webpack-stats.json",
    "CACHE/manifest.json",
    ".vite/manifest.json",
    "settings.py",
    "page.html~",
    "page.html.bak",
    ".page.html.swp",
)


@pytest.mark.parametrize("telling", TELLING)
def test_what_tools_keep_beside_static_files_is_not_served(stack: LocalStack, telling: str) -> None:
    static = stack.directory / "static"
    path = static / telling
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("{}")
    for place in (path, *path.parents):
        if place.is_relative_to(static):
            place.chmod(place.stat().st_mode | 0o055)
    assert requests.get(f"{stack.url}/static/{telling}", timeout=10).status_code == 404


def seen(stack: LocalStack, **headers: str) -> tuple[str, str | None, bool]:
    """Who asks, and whether over TLS, as Django sees it."""
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    answer = requests.get(f"{stack.url}/echo", headers=given, timeout=10).json()
    return answer["REMOTE_ADDR"], answer["headers"].get("X-Forwarded-For"), answer["secure"]


def changed(stack: LocalStack, project: Path, **inputs: str) -> None:
    done = stack.manage("stack_local", "up", STACK_PROJECT=str(project), **inputs)
    assert done.returncode == 0, f"{done.stderr}\n{stack.logs()}"


def test_visitor_behind_a_proxy_is_whom_a_trusted_proxy_names(
    stack: LocalStack, project: Path
) -> None:
    changed(stack, project, STACK_PROXY="on", STACK_PROXY_ADDRESSES="127.0.0.1, 10.9.0.0/16")
    told = {"X_Forwarded_For": "6.6.6.6, 203.0.113.7, 10.9.1.1", "X_Forwarded_Proto": "https"}
    assert seen(stack, **told) == ("203.0.113.7", "203.0.113.7", True)
    stack.wait_until(
        lambda: '"client":"203.0.113.7"' in (stack.directory / "log/apache-access.log").read_text(),
        5,
    )


def test_strangers_claims_are_not_believed(stack: LocalStack, project: Path) -> None:
    told = {"X_Forwarded_For": "203.0.113.8", "X_Forwarded_Proto": "https"}
    changed(stack, project, STACK_PROXY_ADDRESSES="10.9.0.0/16")
    assert seen(stack, **told) == ("127.0.0.1", "127.0.0.1", False)
    changed(stack, project, STACK_PROXY="on", STACK_PROXY_ADDRESSES="10.9.0.0/16")
    headers = {name.replace("_", "-"): value for name, value in told.items()}
    answer = requests.get(f"{stack.url}/echo", headers=headers, allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (
        301,
        f"https://127.0.0.1:{stack.port}/echo",
    )
    assert "203.0.113.8" not in (stack.directory / "log/apache-access.log").read_text()


def test_page_of_what_is_too_large_names_the_size(stack: LocalStack, project: Path) -> None:
    changed(stack, project, STACK_UPLOAD_LIMIT="20m")
    answer = requests.post(f"{stack.url}/echo", data=b"x" * 15_000_000, timeout=10)
    assert answer.json()["body"] == 15_000_000
    head = (
        f"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: "
        f"{20 * 1024**2 + 1}"
    )
    answer = raw_http.exchange(stack.port, f"{head}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"The server takes up to 20 MB." in answer


@pytest.fixture(scope="module")
def http2(stack: LocalStack, project: Path) -> LocalStack:
    changed(stack, project, STACK_TLS="self-signed")
    return stack


@pytest.mark.parametrize("request_", OVER_HTTP2, ids=lambda request: request.what)
def test_http2_has_the_outcome_of_http1(http2: LocalStack, request_: Request) -> None:
    if (curl := shutil.which("curl")) is None:
        pytest.skip("curl is missing; apt-get install curl")
    url = f"https://localhost:{http2.port}{request_.path}"
    ask = [
        curl,
        "--silent",
        "--http2",
        "--noproxy",
        "*",
        "--path-as-is",
        "--insecure",
        *request_.options,
        url,
    ]
    told = subprocess.run(
        [*ask, "--write-out", "\n%{http_version} %{http_code}"],
        input=request_.body,
        capture_output=True,
        check=False,
        timeout=60,
    ).stdout.decode()
    body, _, outcome = told.rpartition("\n")
    version, status = outcome.split()
    if version == "0" and request_.stack in ("411", "413"):
        return  # the stream was closed while curl was still sending, and it did not read the answer
    assert version == "2"
    assert "up to 10 MB" in body if status == "413" else True
    seen_ = json.loads(body) if status == "200" else {"headers": {}}
    assert str({**seen_["headers"], **seen_, "status": status}[request_.field]) == request_.stack


def test_http2_answers_a_client_that_still_sends(http2: LocalStack, tmp_path: Path) -> None:
    """The whole answer, and only then the end of the stream (RFC 9113, 8.1); curl 7.88 loses it now
    and then."""
    if (nghttp := shutil.which("nghttp")) is None:
        pytest.skip("nghttp is missing; apt-get install nghttp2-client")
    body = tmp_path / "body"
    body.write_bytes(BYTES_TOO_MANY)
    told = subprocess.run(
        [
            nghttp,
            "--verbose",
            "--no-verify-peer",
            "--timeout=20s",
            f"--data={body}",
            f"https://localhost:{http2.port}/",
        ],
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    ).stdout
    assert re.search(r":status: .*413", told)
    assert "up to 10 MB" in told
    assert (
        "RST_STREAM" not in told
        or "error_code=NO_ERROR" in told.partition("RST_STREAM")[2].partition(")")[0]
    )
