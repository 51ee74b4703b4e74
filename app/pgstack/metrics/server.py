"""Answers `GET /metrics` on a Unix socket, and on a host on a loopback port too."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from pgstack.live.probes.exporter import PATH

TYPE = "text/plain; version=0.0.4; charset=utf-8"
CLIENT_SECONDS = 5
"""that a client may take to say what it wants"""
MODE = 0o660
HERE = "127.0.0.1"
NAMES = frozenset({"", "localhost", HERE})
"""that it is asked by: a browser which a page of strangers has led here names another
(DNS rebinding)"""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The exporter's."""

    daemon_threads = True

    def __init__(self, path: Path, answer: Callable[[], bytes]) -> None:
        self.answer = answer
        path.unlink(missing_ok=True)  # of one that was killed
        super().__init__(str(path), Handler)
        path.chmod(MODE)


class PortServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The same for a Prometheus, which asks no sockets."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, port: int, answer: Callable[[], bytes]) -> None:
        self.answer = answer
        super().__init__((HERE, port), Handler)


@contextmanager
def beside(port: int, answer: Callable[[], bytes]) -> Iterator[None]:
    """Within it the port answers too; 0: none does. Raises OSError where another has it."""
    if not port:
        yield
        return
    with PortServer(port, answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield


def _name(headers: Message) -> str:
    """That the client asks for, without its port."""
    return str(headers.get("Host", "")).partition(":")[0]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server | PortServer
    timeout = CLIENT_SECONDS
    server_version, sys_version = "exporter", ""

    def do_GET(self) -> None:
        """The metrics, or 404."""
        if isinstance(self.server, PortServer) and _name(self.headers) not in NAMES:
            self.send_error(421)
            return
        if self.path != PATH:
            self.send_error(404)
            return
        body = self.server.answer()
        self.send_response(200)
        self.send_header("Content-Type", TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """A Unix socket has no address."""
        return "-"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name
        """Nothing: a scrape every few seconds."""
