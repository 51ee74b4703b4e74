"""Of two processes that listen on one port, the one that was chosen gets every new connection."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "host"))

from pgstack.ops import listening
from stackctl import listeners

MANY = 40


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two listeners on one port, the older one first."""
    older, newer = (socket.socket() for _ in range(2))
    with older, newer:
        for listener in (older, newer):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", older.getsockname()[1] if listener is newer else 0))
            listener.listen(MANY)
            listener.setblocking(False)
        yield older, newer


def taken(listener: socket.socket) -> int:
    """Connections that wait there."""
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def connect(port: int) -> None:
    for _ in range(MANY):
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("place", [0, 1])
def test_the_chosen_one_gets_all_connections(
    pair: tuple[socket.socket, socket.socket], place: int
) -> None:
    port = pair[0].getsockname()[1]
    listeners.choose(os.getpid(), port, place)
    connect(port)
    counts = [taken(listener) for listener in pair]
    assert (counts[place], counts[1 - place]) == (MANY, 0)


def test_the_one_that_is_left_gets_them_when_the_chosen_one_ends(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    older, newer = pair
    port = older.getsockname()[1]
    listeners.choose(os.getpid(), port, 1)
    older.close()
    connect(port)
    assert taken(newer) == MANY


def test_there_is_nothing_to_choose_on_a_port_where_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        listeners.choose(os.getpid(), bound.getsockname()[1], 0)


def test_somebody_is_there_until_his_connection_has_ended() -> None:
    """Also before it is accepted; those of the other instance's processes do not count."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not listening.visitors(os.getpid(), set())
        with socket.create_connection(listener.getsockname()) as client:
            assert listening.visitors(os.getpid(), {os.getpid()}) == 1, "waits to be accepted"
            accepted, _ = listener.accept()
            assert listening.visitors(os.getpid(), set())
            assert not listening.visitors(os.getpid(), {os.getpid()})
            accepted.close()
            client.recv(1)
        assert not listening.visitors(os.getpid(), set())


def test_who_is_in_the_queue_is_waited_for_and_no_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=MANY) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        assert listeners.wait_until_accepted(os.getpid(), port, 0)
        connect(port)
        assert not listeners.wait_until_accepted(os.getpid(), port, 0.2)
        with ThreadPoolExecutor() as threads:
            waits = threads.submit(listeners.wait_until_accepted, os.getpid(), port, 30)
            assert taken(listener) == MANY
            assert waits.result()


def test_nobody_waits_where_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert listeners.wait_until_accepted(os.getpid(), bound.getsockname()[1], 0)


def test_a_socket_that_is_there_is_listened_at_a_moment_later(tmp_path: Path) -> None:
    """A client that comes in between is refused."""
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert path.exists()
        assert not listening.at(path)
        server.listen()
        assert listening.at(path)
    assert not listening.at(path)


def test_nobody_is_at_a_process_that_has_ended() -> None:
    assert not listening.visitors(2**22 + 1, set())
