"""What the exporter answers (pgstack.metrics)."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

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
_UP = re.compile(r'^pgstack_up\{source="([a-z]+)"\} (\d)', re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """One of the exporter's."""

    status: int
    type: str
    headers: dict[str, str]
    body: bytes


def ask(part: Metrics, target: str, seconds: float = ANSWER_SECONDS) -> Answer:
    """What it answers at an address. Raises ProbeError."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            client.connect(part.socket)
            client.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode("ascii", "replace"))
            with HTTPResponse(client) as answer:
                answer.begin()
                body, headers = answer.read(), dict(answer.getheaders())
                return Answer(answer.status, headers.get("Content-Type", ""), headers, body)
    except OSError as error:
        raise ProbeError(f"exporter: {part.socket}: {error.strerror or error}") from None
    except HTTPException as error:
        raise ProbeError(f"exporter: {error or 'no answer'}") from None


def scrape(part: Metrics, seconds: float = ANSWER_SECONDS) -> str:
    """Everything, in Prometheus' text format. Raises ProbeError."""
    answer = ask(part, PATH, seconds)
    if answer.status != 200:
        raise ProbeError(f"exporter: status {answer.status}")
    return answer.body.decode()


def sources(text: str) -> dict[str, bool]:
    """Whether each of its sources answered it."""
    return {name: up == "1" for name, up in _UP.findall(text)}
