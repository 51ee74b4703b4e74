"""Answers that Apache makes by itself: status, headers and words, over a plain socket."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from fixtures.local_stack import LocalStack

PRODUCT = re.compile(r"(apache|mod_wsgi|python|debian|openssl)[ /-]v?\d", re.IGNORECASE)
LONG = "x" * 9000
MANY = "".join(f"X-{number}: 1\r\n" for number in range(120))


def receive(client: socket.socket) -> str:
    """Everything until the server closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def ask(stack: LocalStack, head: str) -> str:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=30) as client:
        client.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
        return receive(client)


@pytest.mark.parametrize(
    ("head", "status", "title"),
    [
        ("NO SENSE AT ALL", 400, "Bad request"),
        ("GET / HTTP/1.1", 400, "Bad request"),
        (f"GET / HTTP/1.1\r\nHost: localhost\r\nX: {LONG}", 400, "Bad request"),
        (f"GET / HTTP/1.1\r\nHost: localhost\r\n{MANY}X: 1", 400, "Bad request"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1", 400, "Bad request"),
        ("GET /static/ HTTP/1.1\r\nHost: localhost", 404, "Page not found"),
        ("GET /static/demo/ HTTP/1.1\r\nHost: localhost", 404, "Page not found"),
        (
            "GET /static/..%2f..%2fconf%2fplan.json HTTP/1.1\r\nHost: localhost",
            404,
            "Page not found",
        ),
        ("GET /static/../conf/plan.json HTTP/1.1\r\nHost: localhost", 404, "Page not found"),
        ("GET /static/%2e%2e/conf/plan.json HTTP/1.1\r\nHost: localhost", 404, "Page not found"),
        ("GET /.git/config HTTP/1.1\r\nHost: localhost", 404, "Page not found"),
        ("GET /.env HTTP/1.1\r\nHost: localhost", 404, "Page not found"),
        ("TRACE / HTTP/1.1\r\nHost: localhost", 405, "Not allowed"),
        ("POST /ledger/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10485761", 413, "Too large"),
        (f"GET /{LONG} HTTP/1.1\r\nHost: localhost", 414, "Address too long"),
        ("GET / HTTP/1.1\r\nHost: elsewhere.example", 421, "No such site"),
    ],
)
def test_refusal_is_a_small_page_that_tells_nothing(
    stack: LocalStack, head: str, status: int, title: str
) -> None:
    answer = ask(stack, head)
    headers, _, body = answer.partition("\r\n\r\n")
    assert headers.startswith(f"HTTP/1.1 {status} ")
    assert f"<h1>{title}</h1>" in body
    assert body.lstrip().startswith("<!DOCTYPE html>")
    assert re.findall("(?im)^content-type: (text/html); charset=", headers) == ["text/html"]
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Server", "Apache"),
    ):
        assert re.findall(f"(?im)^{name}: (.*?)\r?$", headers) == [value]
    assert len(re.findall("(?im)^content-security-policy: .*default-src 'none'", headers)) == 1
    assert PRODUCT.search(answer) is None


def drip(client: socket.socket) -> Iterator[None]:
    """A header that gains a byte now and then, and never ends."""
    client.settimeout(0.5)
    client.sendall(b"GET /plain HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    while True:
        client.sendall(b"x")
        yield


def test_client_that_drips_its_header_is_cut_off(stack: LocalStack) -> None:
    rendered = (stack.directory / "conf/apache/hardening.conf").read_text()
    limits = re.search(r"header=(\d+)-(\d+),MinRate=500", rendered)
    assert limits is not None
    assert (int(limits[1]), int(limits[2])) == (10, 20)
    answer = b""
    with socket.create_connection(("127.0.0.1", stack.port)) as client:
        for sent, _ in enumerate(drip(client)):
            assert sent < 2 * int(limits[2]), "one byte each half second, and still not cut off"
            try:
                answer = client.recv(65536)
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")
