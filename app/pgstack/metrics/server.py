"""Answers on a Unix socket and, if the plan has one, on a port of the loopback address."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes.exporter import ask
from pgstack.metrics import peers
from pgstack.metrics.page import Answer
from pgstack.planning.metrics import Metrics

CLIENT_SECONDS = 5
"""a client may take to send its request"""
MODE = 0o660
LOOPBACK = "127.0.0.1"
NAMES = ("", "localhost", LOOPBACK)
"""what a browser at the end of an SSH tunnel calls it. Any other name is refused, so that no page
of another site can read it"""

REFUSED = f"Only root and accounts of the group {peers.WATCHERS} see more than /metrics here."

Answering = Callable[[str], Answer | None]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server | LoopbackServer
    timeout = CLIENT_SECONDS
    server_version, sys_version = "exporter", ""

    def do_GET(self) -> None:
        """The page, or 404; 403 for an account that may not see it; 503 if the port leads to an
        exporter that does not answer."""
        if not self._is_named():
            self.send_error(404)
            return
        others = None if self._watches() else self.server.others
        try:
            answer = (others or self.server.answer)(self.path)
        except ProbeError as error:
            self.send_error(503, explain=str(error))
            return
        if answer is None:
            self.send_error(*((403, None, REFUSED) if others else (404,)))
            return
        self.send_response(200)
        for name, value in answer.headers().items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def _is_named(self) -> bool:
        named = self.headers.get("Host", "")
        return (named.rpartition(":")[0] or named) in NAMES

    def _watches(self) -> bool:
        if self.server.others is None:
            return True
        return peers.is_watcher(peers.account(self.client_address, self.connection.getsockname()))

    def address_string(self) -> str:
        """A Unix socket has no address."""
        return "-"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name
        """Log nothing: a scrape comes every few seconds."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """On the exporter's socket."""

    daemon_threads = True
    others = None

    def __init__(self, path: Path, answer: Answering) -> None:
        self.answer = answer
        path.unlink(missing_ok=True)  # of one that was killed
        super().__init__(str(path), Handler)
        path.chmod(MODE)


@contextmanager
def beside(port: int, answer: Answering, others: Answering | None = None) -> Iterator[None]:
    """Within it the port answers too, unless it is 0. Raises OSError if the port is taken."""
    if not port:
        yield
        return
    with served(LoopbackServer(port, answer, others)):
        yield


@contextmanager
def served(given: socketserver.BaseServer) -> Iterator[None]:
    """Within it the server answers, in a thread of its own."""
    with given as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class LoopbackServer(ThreadingHTTPServer):
    """The same on a loopback port, for whoever may log in to the machine. Given `others`, every
    account gets those answers, and `answer` is for those who may read the machine's logs."""

    daemon_threads = True

    def __init__(self, port: int, answer: Answering, others: Answering | None = None) -> None:
        self.answer, self.others = answer, others
        super().__init__((LOOPBACK, port), Handler)


def passed_on(part: Metrics) -> Answering:
    """What the exporter answers at its socket, for a port that leads there."""

    def answer(target: str) -> Answer | None:
        reply = ask(part, target)
        return Answer(reply.type, reply.body) if reply.status == HTTPStatus.OK else None

    return answer
