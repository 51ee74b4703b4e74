"""A daemon process that dies while it answers: the client sees an error, never a page that looks
complete."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from fixtures.local_stack import LocalStack

ROWS = 10_000
"""of 2 KB each: more than all buffers between a daemon process and a client hold"""
FIRST = 1_000_000


@pytest.fixture
def long_page(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack with fortunes for a page of 20 MB that does not compress away."""
    text = "(SELECT string_agg(md5(random()::text || i || j), '') FROM generate_series(1, 64) AS j)"
    stack.sql(
        f"INSERT INTO fortune SELECT {FIRST} + i, {text} FROM generate_series(1, {ROWS}) AS i"
    )
    yield stack
    stack.sql(f"DELETE FROM fortune WHERE id >= {FIRST}")
    stack.wait_until(stack.answers)


def kill_daemons(stack: LocalStack) -> None:
    daemons = stack.daemons()
    assert len(daemons) == 2
    for process in daemons:
        process.kill()


def open_slowly(
    stack: LocalStack, path: str, encoding: str
) -> tuple[socket.socket, http.client.HTTPResponse]:
    """A client that takes a few kilobytes at a time."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(("127.0.0.1", stack.port))
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {encoding}\r\n\r\n".encode()
    )
    return client, http.client.HTTPResponse(client, method="GET")


@pytest.mark.parametrize(("encoding", "least"), [("identity", 20_000_000), ("gzip", 10_000_000)])
def test_death_in_the_middle_of_the_body_shows(
    long_page: LocalStack, encoding: str, least: int
) -> None:
    client, answer = open_slowly(long_page, "/fortunes", encoding)
    with client, answer:
        answer.begin()
        assert answer.status == 200
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        assert answer.headers["Transfer-Encoding"] is None
        assert int(answer.headers["Content-Length"]) > least
        assert len(answer.read(65536)) == 65536
        kill_daemons(long_page)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_death_before_the_first_byte_is_an_error_of_the_server(
    stack: LocalStack, encoding: str
) -> None:
    lock = stack.psql("BEGIN; LOCK TABLE world IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(20)")
    held = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'world'::regclass AND mode = "
        "'AccessExclusiveLock'"
    )
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'"
    )
    try:
        stack.wait_until(lambda: stack.sql(held) == "1")
        client, answer = open_slowly(stack, "/updates?n=20", encoding)
        with client, answer:
            stack.wait_until(
                lambda: stack.sql(waits) == "1", seconds=4
            )  # the role's lock_timeout is 5 s
            kill_daemons(stack)
            answer.begin()
            body = answer.read().decode()
    finally:
        stack.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK "
            "TABLE world%'"
        )
        lock.communicate(timeout=30)
        stack.wait_until(stack.answers)
    assert answer.status == 500
    assert "<h1>Something broke</h1>" in body
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
