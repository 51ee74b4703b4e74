"""Locust's users: each keeps one connection and asks for one page."""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterator
from functools import cache
from itertools import repeat
from time import perf_counter as clock
from typing import Any, ClassVar

import gevent  # type: ignore[import-untyped]
from gevent.event import Event  # type: ignore[import-untyped]
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError, HTTPSocketPoolResponse
from locust import FastHttpUser, task
from locust.exception import StopUser

from loadtest.lab.generator.job import CONNECT_SECONDS, HEADERS, KEPT_SECONDS, Job
from loadtest.lab.generator.recorder import TIMED_OUT, Recorder
from loadtest.lab.generator.schedule import Pace, arrivals, shares
from loadtest.lab.model import Load

BLOCK_BYTES = 65536
"""read at once; a page of the demo comes in one piece"""
PAUSE_SECONDS = 0.1
"""after an answer that never came: a server that is away is not asked in a busy loop"""


@cache
def any_certificate(cafile: str | None = None) -> ssl.SSLContext:
    """One context for all users, each of which would read the certificate authorities for its
    own."""
    return ssl._create_unverified_context()  # noqa: S323, SLF001 - the stack's certificate is its own


class Visitor(FastHttpUser):
    """FastHttpUser's connection without what its session does for each request beside the asking.

    Cookies, redirects, content codings and statistics take two thirds of its time. It also sends a
    GET again, without a word, when the connection was closed instead of an answer: here that is a
    failure.
    """

    abstract = True
    concurrency = 1
    connection_timeout = CONNECT_SECONDS
    ssl_context_factory = staticmethod(any_certificate)

    asking: ClassVar[Iterator[bytes]]
    """the requests in the order in which all users send them"""
    parts: ClassVar[tuple[bytes, ...]]
    recorder: ClassVar[Recorder]
    pace: ClassVar[Pace]
    turn: ClassVar[Event]
    """set while this server may be asked"""
    due: ClassVar[Iterator[float]]

    def on_start(self) -> None:
        """Take the connection that FastHttpUser has made for its session."""
        self.pool = self.client.client.clientpool.get_client(str(self.host))._connection_pool  # noqa: SLF001
        self.answered = math.inf

    def ask(self) -> str | None:  # noqa: PLR0911 - a reason each
        """Send one request and read its answer; None, or why it is not what was expected."""
        try:
            connection = self._connection()
        except OSError as error:
            return self._away(f"no connection: {error.strerror or error}")
        try:
            try:
                connection.sendall(next(self.asking))
            except BaseException:
                self.pool.release_socket(connection)
                raise
            answer = HTTPSocketPoolResponse(connection, self.pool, block_size=BLOCK_BYTES)
            body = answer.read()
        except HTTPConnectionClosed:
            return self._away("closed without an answer")
        except HTTPParseError:
            return self._away("answer not whole")
        except TimeoutError:
            return TIMED_OUT
        except OSError as error:
            return self._away(error.strerror or str(error) or type(error).__name__)
        if answer.status_code != 200:
            return f"status {answer.status_code}"
        if not answer.message_complete:
            return "answer not whole"
        if not body or not all(part in body for part in self.parts):
            return "unexpected body"
        return None

    def _connection(self) -> Any:
        """The one that was kept, unless the server may be about to close it."""
        connection = self.pool.get_socket()
        if clock() - self.answered < KEPT_SECONDS:
            return connection
        self.pool.release_socket(connection)
        return self.pool.get_socket()

    def _away(self, reason: str) -> str:
        gevent.sleep(PAUSE_SECONDS)
        return reason

    def send(self, due: float | None) -> None:
        """Send one request that is `due` at this time (seconds), and record how it ended."""
        recorder = self.recorder
        if (wait := self.pace.wait(clock())) > 0:
            gevent.sleep(wait)
        recorder.sent += 1
        sent = clock()
        reason = self.ask()
        self.answered = clock()
        recorder.record(sent, self.answered, reason, due)


class ClosedUser(Visitor):
    """Asks again as soon as it was answered, until the measured part is over."""

    abstract = True

    @task
    def loop(self) -> None:
        """The whole life of the user in one task: Locust's own loop costs as much as a request."""
        while clock() < self.recorder.end:
            self.send(None)
            self.turn.wait()
        raise StopUser


class OpenUser(Visitor):
    """Takes the next arrival that nobody has taken, however late it is, waits until it is due, and
    sends it."""

    abstract = True

    @task
    def loop(self) -> None:
        """Until the arrivals of the measured part are used up."""
        recorder = self.recorder
        while (due := next(self.due)) < recorder.end:
            if (wait := due - clock()) > 0:
                gevent.sleep(wait)
            self.send(due)
        raise StopUser


def _requests(job: Job, load: Load, host: str) -> Iterator[bytes]:
    pages = job.pages(load)
    texts = [
        "\r\n".join(
            (f"GET {page.address} HTTP/1.1", f"Host: {host}", *HEADERS, *job.headers, "", "")
        ).encode()
        for page in pages
    ]
    if len(texts) == 1:
        return repeat(texts[0])
    return (texts[place] for place in shares([page.weight for page in pages]))


def user_class(job: Job, load: Load, recorder: Recorder, turn: Event) -> type[Visitor]:
    """The class of the users of `load`; the first arrival of an open loop is due from now on."""
    kind = ClosedUser if load.kind == "closed" else OpenUser
    host = job.host or job.url.partition("://")[2]
    recorder.origin = clock()
    bound: dict[str, Any] = {
        "abstract": False,
        "host": job.url,
        "turn": turn,
        "network_timeout": job.patience,
        "asking": _requests(job, load, host),
        "parts": job.expected(load),
        "recorder": recorder,
        "pace": Pace(job.max_rate or math.inf),
        "due": (
            recorder.origin + moment
            for moment in arrivals(load.rate or 1, job.seed, job.max_rate or math.inf)
        ),
    }
    return type(kind.__name__, (kind,), bound)
