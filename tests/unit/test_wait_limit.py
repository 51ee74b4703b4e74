"""Who waits too long for a thread is told so, and who may still be served is sent back."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgstack.serving import siblings, wait_limit
from pgstack.serving.wait_limit import Queue, RequestThreads, WaitLimit, find_listener


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "wsgi.1.0.1.sock"))
        made.listen()
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_limit, "PAUSE_SECONDS", 0.01)


CLIENTS: list[socket.socket] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Connections that a test has made."""
    yield
    while CLIENTS:
        CLIENTS.pop().close()


def queued(listener: socket.socket, ago: float, rejections: int = 0) -> socket.socket:
    """A connection as Apache makes it, with a request that has waited for so many seconds."""
    client = socket.socket(socket.AF_UNIX)
    CLIENTS.append(client)
    client.connect(listener.getsockname())
    since = str(int((time.time() - ago) * 1e6))
    known = (wait_limit.SINCE, since, "mod_wsgi.daemon_restarts", str(rejections))
    strings = b"".join(
        text.encode() + b"\0" for text in ("PATH_INFO", "/", *known, "LAST", "x" * 9000)
    )
    head = struct.pack("N", 8) + strings
    client.sendall(struct.pack("N", len(head)) + head)
    client.settimeout(5)
    return client


@contextmanager
def watching(
    listener: socket.socket,
    busy: Callable[[], bool],
    longest: float,
    told: Callable[[float], None] = lambda _: None,
) -> Iterator[threading.Event]:
    """Within it the queue is looked after, until the event that says that the process ends."""
    threads: Any = SimpleNamespace(busy=busy, free=lambda: not busy())
    queue, over = Queue(listener, longest, threads, 4, threading.Event()), threading.Event()
    queue.gave_up = told

    def look() -> None:
        while not over.is_set():
            queue.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield queue.ending
    finally:
        over.set()
        thread.join()


def test_who_has_waited_too_long_is_told_so_in_order(listener: socket.socket) -> None:
    clients = [queued(listener, ago) for ago in (9.0, 7.0, 1.8)]
    begun, waits = time.monotonic(), list[float]()
    with watching(listener, lambda: True, longest=2, told=waits.append):
        assert [client.recv(99) for client in clients] == [b"Status: 200 Timeout\r\n\r\n"] * 3
    assert 0.1 < time.monotonic() - begun < 1
    assert [round(wait) for wait in waits] == [9, 7, 2], "each is counted"


def test_one_who_may_still_be_served_is_sent_back_when_a_thread_is_free(
    listener: socket.socket,
) -> None:
    client, busy = queued(listener, 0.0), [True, True, True]
    with watching(listener, lambda: bool(busy and busy.pop()), longest=60):
        assert client.recv(99) == b"Status: 200 Rejected\r\n\r\n"


def test_a_process_that_ends_sends_back_whom_it_holds_and_takes_nobody_else(
    listener: socket.socket,
) -> None:
    first = queued(listener, 0.0)
    with watching(listener, lambda: True, longest=60) as ending:
        time.sleep(0.1)
        ending.set()
        assert first.recv(99) == b"Status: 200 Rejected\r\n\r\n"
        second = queued(listener, 90.0)
        second.settimeout(0.2)
        with pytest.raises(TimeoutError):
            second.recv(99)


def test_one_who_was_sent_back_too_often_waits_here(listener: socket.socket) -> None:
    """Apache would lose count, and take the answer's head for its text."""
    busy = [True]
    client, last = queued(listener, 1.7, rejections=4), queued(listener, 0.0, rejections=3)
    with watching(listener, lambda: bool(busy and busy.pop()), longest=2):
        assert client.recv(99) == b"Status: 200 Timeout\r\n\r\n"
        busy.append(True)
        assert last.recv(99) == b"Status: 200 Rejected\r\n\r\n"


def test_nobody_is_taken_out_of_the_queue_while_a_thread_is_free(listener: socket.socket) -> None:
    client = queued(listener, 9.0)
    client.settimeout(0.3)
    with watching(listener, lambda: False, longest=2), pytest.raises(TimeoutError):
        client.recv(99)


def test_a_stopped_process_goes_on_when_it_keeps_others_from_their_work(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wait_limit, "STUCK_SECONDS", 0.05)
    asked = threading.Event()
    monkeypatch.setattr(siblings, "resume", lambda: [] if asked.is_set() else asked.set() or [4711])
    with watching(listener, lambda: False, longest=2):
        assert not asked.wait(0.2), "nobody waits"
        queued(listener, 0.0)
        assert asked.wait(5)
    assert "process 4711 was stopped by a signal" in capsys.readouterr().err


def test_one_who_says_nothing_of_the_time_is_left(listener: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(listener.getsockname())
        silent.sendall(struct.pack("N", 3) + b"abc")
        silent.settimeout(5)
        with watching(listener, lambda: True, longest=2):
            assert silent.recv(99) == b""


def test_one_who_cannot_be_taken_is_not_tried_for_without_a_pause(tmp_path: Path) -> None:
    """A process may open no more files: it would keep its threads from their work."""
    tried = list[float]()

    class Full(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            tried.append(time.monotonic())
            raise OSError(errno.EMFILE, "Too many open files")

    with Full(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "wsgi.sock"))
        listener.listen()
        queued(listener, 0.0)
        with watching(listener, lambda: True, longest=60):
            time.sleep(0.2)
    assert 1 < len(tried) <= 0.2 / wait_limit.PAUSE_SECONDS + 1


def test_the_listener_is_found_among_the_descriptors(listener: socket.socket) -> None:
    directory = Path(listener.getsockname()).parent
    listening = find_listener(f"{directory}/wsgi.")
    assert listening is not None
    assert listening.getsockname() == listener.getsockname()
    assert listening.getblocking()
    listening.close()
    assert find_listener(f"{directory}/other.") is None


def threads(
    directory: Path,
    free: Callable[[], bool],
    taken: Callable[[], int] = lambda: 1,
    place: int = 0,
) -> RequestThreads:
    return RequestThreads(str(directory), free, taken, seconds=0.05, place=place)


def until_busy(threads: RequestThreads) -> bool:
    deadline = time.monotonic() + 1
    while not threads.busy() and time.monotonic() < deadline:
        time.sleep(0.01)
    return threads.busy()


def test_all_are_busy_only_when_no_process_has_a_free_thread(tmp_path: Path) -> None:
    free = {"here": False, "there": True}
    here, there = threads(tmp_path, lambda: free["here"]), threads(tmp_path, lambda: free["there"])
    there.busy()
    assert not until_busy(here)
    free["there"] = False
    until_busy(there)
    assert until_busy(here)
    free["there"] = True
    there.busy()
    assert not here.busy()


def test_free_threads_of_other_lanes_do_not_count(tmp_path: Path) -> None:
    here, lane = threads(tmp_path, lambda: True), threads(tmp_path, lambda: False, place=1)
    here.busy()
    assert until_busy(lane)
    assert not here.busy()


def test_a_process_that_takes_one_after_the_other_is_not_busy(tmp_path: Path) -> None:
    taken = iter(range(100_000))
    assert not until_busy(threads(tmp_path, lambda: False, lambda: next(taken)))


def test_a_process_that_ended_holds_nobody_up(tmp_path: Path) -> None:
    here, there = threads(tmp_path, lambda: False), threads(tmp_path, lambda: True)
    there.busy()
    assert not until_busy(here)
    os.close(there._lock)
    assert until_busy(here)


@pytest.mark.parametrize(("ago", "status"), [(0.5, "200 OK"), (11.0, "504 Gateway Timeout")])
def test_a_thread_tells_whoever_has_waited_too_long(
    tmp_path: Path, ago: float, status: str
) -> None:
    plan: Any = SimpleNamespace(
        web=SimpleNamespace(queue_timeout=10), paths=SimpleNamespace(run_apache=tmp_path)
    )
    told: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b""]

    since = {"mod_wsgi.queue_start": str(int((time.time() - ago) * 1e6))}
    WaitLimit(application, plan, lambda: 1, threading.Event())(
        since, lambda status, headers: told.append(status)
    )
    assert told == [status]
