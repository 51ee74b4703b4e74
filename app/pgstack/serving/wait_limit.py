"""A request that waits too long for a free thread of the web processes is answered 504, though no
thread is free.

mod_wsgi looks at its queue-timeout when a thread takes the request, and counts the time in which
the body came in. Here the time counts from when Apache connects to the processes. A request
that has waited too long when a thread takes it is answered 504 at once; and while all threads of
all processes are taken, a separate thread answers the requests in the queue.

What mod_wsgi and Apache say to each other before a request is handed over: Apache sends the names
and values of its variables, and then reads `200 Continue`, `200 Timeout` (it answers 504), or `200
Rejected` (it connects again).
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

from pgstack.planning import lanes
from pgstack.planning.plan import Plan
from pgstack.serving import siblings
from pgstack.serving.meter import Meter

Application = Callable[..., Iterable[bytes]]
PAUSE_SECONDS = 0.25
"""between two looks"""
BUSY_DIVISOR = 4
"""no thread has become free for this part of the longest wait before anybody is taken out of the
queue"""
STUCK_SECONDS = 1.0
"""somebody waits for so long, or for the same part of the longest wait, though there is a free
thread: a process is stopped"""
HEAD_SECONDS = 1.0
"""Apache sends its variables at once"""
SINCE = "mod_wsgi.queue_start"
"""variable: when Apache connected, in microseconds"""
SENT = re.compile(SINCE.encode() + rb"\0(\d+)\0")
REJECTIONS = re.compile(rb"mod_wsgi\.daemon_restarts\0(\d+)\0")
REJECTIONS_PER_PROCESS = 2
"""that Apache takes for one request; after one more it would take the answer's head for its text
(mod_wsgi 5.0.2)"""
LENGTH = struct.Struct("N")
LOCK = struct.Struct("hhqqi4x")
"""a struct flock: type, whence, start, length, process"""
TIMEOUT, REJECTED = b"Status: 200 Timeout\r\n\r\n", b"Status: 200 Rejected\r\n\r\n"
PAGE = (
    b"<!DOCTYPE html><html lang='en'><title>Took too long</title>"
    b"<h1>Took too long</h1><p>All are busy.</p></html>"
)


class WaitLimit:
    """A WSGI application that hands requests to `application`, in one of `plan`'s processes."""

    def __init__(
        self,
        application: Application,
        plan: Plan,
        working: Callable[[], int],
        ending: threading.Event,
        meter: Meter | None = None,
    ) -> None:
        self.application, self.longest, self.taken = application, plan.web.queue_timeout, 0
        self.gave_up = meter.gave_up if meter else _nothing
        if listener := find_listener(f"{plan.paths.run_apache}/wsgi."):
            lane = lanes.own(plan.lanes)
            group = lane or plan.web
            threads = RequestThreads(
                plan.paths.conf,
                lambda: working() < group.threads,
                lambda: self.taken,
                self.longest / BUSY_DIVISOR,
                plan.lanes.index(lane) + 1 if lane else 0,
            )
            queue = Queue(
                listener, self.longest, threads, REJECTIONS_PER_PROCESS * group.processes, ending
            )
            queue.gave_up = self.gave_up
            threading.Thread(target=queue.watch, name="queue", daemon=True).start()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """504 for a request that has waited too long."""
        self.taken += 1
        since = environ.get(SINCE)
        if since is not None and (waited := time.time() - int(since) / 1e6) > self.longest:
            self.gave_up(waited)
            start_response(
                "504 Gateway Timeout",
                [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))],
            )
            return [PAGE]
        return self.application(environ, start_response)


class RequestThreads:
    """Whether all threads of all web processes of this lane are taken, and stay so.

    A process in which a thread is free, or was a moment ago, holds a lock that it shares with
    others; with none of them nobody does. One that cannot look, for it is stopped or the
    interpreter's lock is held in it, keeps what it held.
    """

    def __init__(
        self,
        directory: str,
        free: Callable[[], bool],
        taken: Callable[[], int],
        seconds: float,
        place: int = 0,
    ) -> None:
        """The lock is at a `place` of `directory`, another one for each lane."""
        self.free, self._taken, self._seconds, self._place = free, taken, seconds, place
        self._lock = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        self._held, self._last, self._since = False, -1, time.monotonic()

    def busy(self) -> bool:
        """Look; called several times a second."""
        taken, now = self._taken(), time.monotonic()
        if self.free() or taken != self._last:
            self._last, self._since = taken, now
        if now - self._since < self._seconds:
            if not self._held:
                self._ask(fcntl.F_OFD_SETLK, fcntl.F_RDLCK)
            self._held = True
            return False
        self._held = False
        self._ask(fcntl.F_OFD_SETLK, fcntl.F_UNLCK)
        return self._ask(fcntl.F_OFD_GETLK, fcntl.F_WRLCK) == fcntl.F_UNLCK

    def _ask(self, command: int, kind: int) -> int:
        """Kind of the lock that the kernel answers with (fcntl_locking(2)): for F_OFD_GETLK, of
        another process's that is in the way."""
        asked = LOCK.pack(kind, os.SEEK_SET, self._place, 1, 0)
        return int(LOCK.unpack(fcntl.fcntl(self._lock, command, asked))[0])


class Queue:
    """Those who have connected to the web processes' socket and whom no thread has taken yet,
    oldest first."""

    def __init__(
        self,
        listener: socket.socket,
        longest: float,
        threads: RequestThreads,
        rejections: int,
        ending: threading.Event,
    ) -> None:
        self.listener, self.longest, self.threads, self.rejections = (
            listener,
            longest,
            threads,
            rejections,
        )
        self.ending = ending
        self.gave_up: Callable[[float], None] = _nothing
        """called for each request that has waited too long, with the seconds"""
        self._moved, self._stuck = time.monotonic(), min(STUCK_SECONDS, longest / BUSY_DIVISOR)

    def watch(self) -> None:
        """For as long as the process lives."""
        while True:
            self.look()

    def look(self) -> None:
        """Look once: hold the socket while all threads are busy, and act on requests that nobody
        takes."""
        waits = self._somebody_waits()
        if self.threads.busy() and waits and not self.ending.is_set():
            try:
                self._hold()
            except OSError:  # it was no request, or this process may open no more files
                time.sleep(PAUSE_SECONDS)
            return
        if not (waits and self.threads.free()):
            self._moved = time.monotonic()
        elif time.monotonic() - self._moved >= self._stuck:
            _resume_siblings()
        time.sleep(PAUSE_SECONDS)

    def _somebody_waits(self) -> bool:
        return bool(select.select([self.listener], [], [], 0)[0])

    def _hold(self) -> None:
        """Take the oldest, and tell him when his time is over.

        Or send him back when a thread has become free, or this process ends: its successor takes
        him.
        """
        # Another process may have been faster: then this waits for the next one, who is treated the
        # same.
        connection = self.listener.accept()[0]
        with connection:
            since, rejections = _head(connection)
            while (left := since + self.longest - time.time()) > 0:
                if rejections < self.rejections and (
                    self.ending.is_set() or not self.threads.busy()
                ):
                    connection.sendall(REJECTED)
                    return
                time.sleep(min(PAUSE_SECONDS, left))
            connection.sendall(TIMEOUT)
            self.gave_up(time.time() - since)


def _nothing(_: float) -> None:
    """Where nothing is measured."""


def _resume_siblings() -> None:
    """This process has a free thread and may not take who waits: it is the turn of one that is
    stopped."""
    for process in siblings.resume():
        told = (
            f"process {process} was stopped by a signal and kept others from their work: it goes on"
        )
        print(told, file=sys.stderr, flush=True)


def _head(connection: socket.socket) -> tuple[float, int]:
    """When Apache connected, in seconds since the epoch, and how often it has been sent back.

    Raises OSError when it does not say.
    """
    connection.settimeout(HEAD_SECONDS)
    with connection.makefile("rb") as sent:
        (length,) = LENGTH.unpack(sent.read(LENGTH.size).ljust(LENGTH.size, b"\0"))
        head = sent.read(length)
    since, rejections = SENT.search(head), REJECTIONS.search(head)
    if since is None or rejections is None:
        raise OSError("no time in what Apache sent")
    return int(since[1]) / 1e6, int(rejections[1])


def find_listener(prefix: str) -> socket.socket | None:
    """The socket that listens at a path which begins so, among this process's descriptors."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers are wanted
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            duplicate = socket.socket(fileno=os.dup(int(name)))
            listens = duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if (
                listens
                and duplicate.family == socket.AF_UNIX
                and duplicate.getsockname().startswith(prefix)
            ):
                return duplicate
            duplicate.close()
    return None
