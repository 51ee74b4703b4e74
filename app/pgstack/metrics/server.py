"""Answers `GET /metrics` on a Unix socket."""

from __future__ import annotations

import socketserver
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from pgstack.live.probes.exporter import PATH

TYPE = "text/plain; version=0.0.4; charset=utf-8"
CLIENT_SECONDS = 5
"""that a client may take to say what it wants"""
MODE = 0o660


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The exporter's."""

    daemon_threads = True

    def __init__(self, path: Path, answer: Callable[[], bytes]) -> None:
        self.answer = answer
        path.unlink(missing_ok=True)  # of one that was killed
        super().__init__(str(path), Handler)
        path.chmod(MODE)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = CLIENT_SECONDS
    server_version, sys_version = "exporter", ""

    def do_GET(self) -> None:
        """The metrics, or 404."""
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
