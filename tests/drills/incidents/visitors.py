"""Pages that fail or take long, and clients that are slow."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial

from drills.incidents.scene import Scene, incident, until_over

CROWD = 32
HOLDERS, HELD_SECONDS = 8, 8
"""threads with clients, and how long those are kept: Apache drops one that sends no header for
10 s"""


@incident("four visitors on a page that raises", "ServerErrors")
def page_raises(scene: Scene) -> Iterator[None]:
    with scene.crowd("broken", 4, pause=0.5):
        yield


@incident(
    f"{CROWD} visitors on a page with half a second of SQL, in a pool of two",
    "RequestsQueue",
    "PoolWaits",
)
def crowd_queues(scene: Scene) -> Iterator[None]:
    with scene.crowd("slow", CROWD):
        yield


@incident(
    "half a request from clients for all of Apache's workers, again and again", "WorkersTaken"
)
def slow_clients(scene: Scene) -> Iterator[None]:
    with until_over([partial(_hold, scene, number) for number in range(HOLDERS)]):
        yield


def _hold(scene: Scene, first: int, over: threading.Event) -> None:
    """One part of the clients; the parts come one after the other."""
    context = ssl._create_unverified_context()
    clients = scene.plan.apache.max_request_workers // HOLDERS
    over.wait(first * HELD_SECONDS / HOLDERS)
    while not over.is_set():
        with ExitStack() as held:
            for _ in range(clients):
                with suppress(OSError):
                    plain = socket.create_connection(("127.0.0.1", scene.stack.port), 5)
                    client = held.enter_context(context.wrap_socket(plain))
                    client.sendall(b"GET / HTTP/1.1\r\n")
            over.wait(HELD_SECONDS)
