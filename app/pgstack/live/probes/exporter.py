"""What the exporter answers (pgstack.metrics)."""

from __future__ import annotations

import io
import re
import socket
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import IO, cast

from pgstack.errors import ProbeError
from pgstack.planning.metrics import Metrics

PATH = "/metrics"
PAGE, FIGURES = "/stack/", "figures.json"
"""where the page is, and below it its figures"""
FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "charts.css": ("charts.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "uplot.js": ("uplot/uPlot.iife.min.js", "text/javascript; charset=utf-8"),
    "uplot.css": ("uplot/uPlot.min.css", "text/css; charset=utf-8"),
}
"""the page's files below `static/pgstack`, with their types, by name below its address"""
ANSWER_SECONDS = 5
"""longest wait: it answers within three"""
LIMIT = 4 * 1024**2
"""bytes of an answer, many times what there is: whoever takes the exporter over sends no more"""
_UP = re.compile(r'^pgstack_up\{source="([a-z]+)"\} (\d)', re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """One of the exporter's."""

    status: int
    type: str
    headers: dict[str, str]
    body: bytes


def ask(part: Metrics, target: str, seconds: float = ANSWER_SECONDS) -> Answer:
    """What it answers at an address, all of it within so many seconds. Raises ProbeError."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            client.connect(part.socket)
            client.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode("ascii", "replace"))
            said = cast("socket.socket", _Said(_received(client, time.monotonic() + seconds)))
        with HTTPResponse(said) as answer:
            answer.begin()
            body, headers = answer.read(), dict(answer.getheaders())
            return Answer(answer.status, headers.get("Content-Type", ""), headers, body)
    except OSError as error:
        raise ProbeError(f"exporter: {part.socket}: {error.strerror or error}") from None
    except HTTPException as error:
        raise ProbeError(f"exporter: {error or 'no answer'}") from None


class _Said:
    """What was received, to http.client."""

    def __init__(self, found: bytes) -> None:
        self.found = found

    def makefile(self, _: str) -> IO[bytes]:
        """All of it."""
        return io.BytesIO(self.found)


def _received(client: socket.socket, deadline: float) -> bytes:
    """Until its end. Raises ProbeError where that is too far, TimeoutError."""
    found = bytearray()
    while True:
        client.settimeout(max(0.001, deadline - time.monotonic()))
        part = client.recv(65536)
        if not part:
            return bytes(found)
        found += part
        if len(found) > LIMIT:
            raise ProbeError(f"exporter: an answer of more than {LIMIT // 1024**2} MB: not its own")


def scrape(part: Metrics, seconds: float = ANSWER_SECONDS) -> str:
    """Everything, in Prometheus' text format. Raises ProbeError."""
    answer = ask(part, PATH, seconds)
    if answer.status != 200:
        raise ProbeError(f"exporter: status {answer.status}")
    return answer.body.decode(errors="replace")


def sources(text: str) -> dict[str, bool]:
    """Whether each of its sources answered it."""
    return {name: up == "1" for name, up in _UP.findall(text)}
