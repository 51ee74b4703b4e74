"""Clients of a host's site."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from systemd_host import SystemdHost


def answers(address: str, port: int) -> bool:
    """Whether something answers HTTP there, from outside of the host."""
    connection = http.client.HTTPConnection(address, port, timeout=3)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


@contextmanager
def requests(host: SystemdHost) -> Iterator[list[str]]:
    """Requests with a query each, one after another on new connections; yields what went wrong."""
    wrong: list[str] = []
    end = threading.Event()
    asked = 0

    def ask() -> None:
        nonlocal asked
        while not end.wait(0.02):
            asked += 1
            try:
                host.page("/db")
            except OSError as error:
                wrong.append(f"{time.strftime('%X')} {error}")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        end.set()
        thread.join()
    assert asked > 10
