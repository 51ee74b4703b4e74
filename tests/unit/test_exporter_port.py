"""The port of a host's exporter: who is answered there, and who sees the page."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from pgstack.metrics import peers
from pgstack.metrics.page import Pages
from pgstack.metrics.server import beside
from pgstack.ports import free_port


@pytest.fixture
def port() -> Iterator[int]:
    number = free_port()
    pages = Pages(lambda: b"figures\n", lambda _: b"{}", lambda _: b"{}")
    with beside(number, pages.answer, pages.metrics):
        yield number


@pytest.mark.parametrize(
    ("name", "status"),
    [("localhost:8400", 200), ("127.0.0.1", 200), ("evil.example", 404), ("127.0.0.1.nip", 404)],
)
def test_its_port_answers_to_this_machines_names_alone(port: int, name: str, status: int) -> None:
    """A browser says there which name led it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics", headers={"Host": name})
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.parametrize(("watches", "status"), [(True, 200), (False, 403)])
def test_its_port_shows_the_page_to_who_watches_the_machine(
    port: int, watches: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(peers, "is_watcher", lambda who: asked.append(who) or watches)
    for path, wanted in (("/stack/figures.json", status), ("/metrics", 200)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        assert connection.getresponse().status == wanted
        connection.close()
    assert asked == [os.geteuid()] * 2


def test_an_end_of_another_address_with_the_same_port_is_another_connection(port: int) -> None:
    """Somebody else may have it."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        own = client.getsockname()
        assert peers.account(own, ("127.0.0.1", port)) == os.geteuid()
        assert peers.account(("127.0.0.2", own[1]), ("127.0.0.1", port)) is None
        assert peers.account(own, ("127.0.0.1", port + 1)) is None


@pytest.mark.parametrize(("who", "watches"), [(0, True), (None, False), (65534, False)])
def test_root_watches_the_machine_and_no_account_of_a_service(
    who: int | None, watches: bool
) -> None:
    assert peers.is_watcher(who) is watches


def test_nothing_of_its_port_runs_on_afterwards() -> None:
    before = threading.enumerate()
    with beside(free_port(), lambda _: None):
        assert threading.enumerate() != before
    assert threading.enumerate() == before


def test_without_a_port_none_is_opened() -> None:
    with beside(0, lambda _: None):
        pass
