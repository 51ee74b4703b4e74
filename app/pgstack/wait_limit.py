"""A request that waits too long for a free thread of the web processes is answered 504, though no thread is free.

mod_wsgi looks at its queue-timeout when a thread takes the request, and counts the time in which the body came in. Here
the time counts from when Apache connects to the processes. Whoever has waited too long when a thread takes him is told
so; and while all threads of all processes are taken, a thread of its own answers those in the queue in their place.

What mod_wsgi and Apache say to each other before a request is handed over: Apache sends the names and values of its
variables, and then reads `200 Continue`, `200 Timeout` (it answers 504), or `200 Rejected` (it connects anew).
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from pgstack import siblings
from pgstack.plan import Plan

Application = Callable[..., Iterable[bytes]]
PAUSE_SECONDS = 0.25
"""between two looks"""
BUSY_SECONDS = 1.0
"""all threads are taken for so long before anybody is taken out of the queue"""
HEAD_SECONDS = 1.0
"""Apache sends its variables at once"""
SINCE = "mod_wsgi.queue_start"
"""variable: when Apache connected, in microseconds"""
SENT = re.compile(SINCE.encode() + rb"\0(\d+)\0")
LENGTH = struct.Struct("N")
TIMEOUT, REJECTED = b"Status: 200 Timeout\r\n\r\n", b"Status: 200 Rejected\r\n\r\n"
PAGE = b"<!DOCTYPE html><html lang='en'><title>Took too long</title><h1>Took too long</h1><p>All are busy.</p></html>"


class WaitLimit:
    """A WSGI application that hands requests to `application`, in one of `plan`'s processes."""

    def __init__(self, application: Application, plan: Plan, working: Callable[[], int]) -> None:
        self.application, self.longest = application, plan.web.queue_timeout
        if listener := find_listener(f"{plan.paths.run_apache}/wsgi."):
            queue = Queue(listener, self.longest, Crew(plan.paths.conf, lambda: working() < plan.web.threads))
            threading.Thread(target=queue.watch, name="queue", daemon=True).start()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """504 for whoever has waited too long."""
        since = environ.get(SINCE)
        if since is not None and time.time() - int(since) / 1e6 > self.longest:
            start_response("504 Gateway Timeout", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
            return [PAGE]
        return self.application(environ, start_response)


class Crew:
    """Whether all threads of all web processes are taken.

    A process with a free thread holds a lock that it shares with others; with none of them nobody does. A process that
    cannot look, for it is stopped or the interpreter's lock is held in it, keeps what it held.
    """

    def __init__(self, directory: str, free: Callable[[], bool]) -> None:
        self.free, self._held = free, False
        self._lock = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        self._since = time.monotonic()

    def busy(self) -> bool:
        """Look; called several times a second."""
        if self.free():
            self._since = time.monotonic()
            if not self._held:
                self._held = self._try(fcntl.LOCK_SH)
            return False
        if time.monotonic() - self._since < BUSY_SECONDS:
            return False
        self._held = False
        alone = self._try(fcntl.LOCK_EX)
        self._try(fcntl.LOCK_UN)
        return alone

    def _try(self, kind: int) -> bool:
        """Another process has it alone for a moment only, while it asks."""
        for _ in range(3):
            with suppress(OSError):
                fcntl.flock(self._lock, kind | fcntl.LOCK_NB)
                return True
            time.sleep(0.002)
        return False


class Queue:
    """Those who have connected to the web processes' socket and whom no thread has taken yet, oldest first."""

    def __init__(self, listener: socket.socket, longest: float, crew: Crew) -> None:
        self.listener, self.longest, self.crew = listener, longest, crew
        self._moved = time.monotonic()

    def watch(self) -> None:
        """For as long as the process lives."""
        while True:
            self.look()

    def look(self) -> None:
        """Once."""
        waits = self._somebody_waits()
        if self.crew.busy() and waits:
            with suppress(OSError):
                self._hold()
            return
        if not (waits and self.crew.free()):
            self._moved = time.monotonic()
        elif time.monotonic() - self._moved >= BUSY_SECONDS:
            _resume_siblings()
        time.sleep(PAUSE_SECONDS)

    def _somebody_waits(self) -> bool:
        return bool(select.select([self.listener], [], [], 0)[0])

    def _hold(self) -> None:
        """Take the oldest, and tell him when his time is over; or send him back when a thread has become free."""
        # Another process may have been faster: then this waits for the next one, who is treated the same.
        connection = self.listener.accept()[0]
        with connection:
            until = _since(connection) + self.longest
            while (left := until - time.time()) > 0:
                time.sleep(min(PAUSE_SECONDS, left))
                if not self.crew.busy():
                    connection.sendall(REJECTED)
                    return
            connection.sendall(TIMEOUT)


def _resume_siblings() -> None:
    """This process has a free thread and may not take who waits: it is the turn of one that is stopped."""
    for process in siblings.resume():
        told = f"process {process} was stopped by a signal and kept others from their work: it goes on"
        print(told, file=sys.stderr, flush=True)


def _since(connection: socket.socket) -> float:
    """When Apache connected, in seconds since the epoch. Raises OSError when it does not say."""
    connection.settimeout(HEAD_SECONDS)
    with connection.makefile("rb") as sent:
        (length,) = LENGTH.unpack(sent.read(LENGTH.size).ljust(LENGTH.size, b"\0"))
        found = SENT.search(sent.read(length))
    if found is None:
        raise OSError("no time in what Apache sent")
    return int(found[1]) / 1e6


def find_listener(prefix: str) -> socket.socket | None:
    """The socket that listens at a path which begins so, among this process's descriptors."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers are wanted
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
            listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and found.family == socket.AF_UNIX and found.getsockname().startswith(prefix):
                return found
            found.close()
    return None
