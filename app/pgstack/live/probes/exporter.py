"""What the exporter answers (pgstack.metrics)."""

from __future__ import annotations

import re
import socket

from pgstack.errors import ProbeError
from pgstack.planning.metrics import Metrics

PATH = "/metrics"
ANSWER_SECONDS = 5
"""longest wait: it answers within three"""
_UP = re.compile(r'^pgstack_up\{source="([a-z]+)"\} (\d)', re.MULTILINE)


def scrape(part: Metrics, seconds: float = ANSWER_SECONDS) -> str:
    """Everything, in Prometheus' text format. Raises ProbeError."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            client.connect(part.socket)
            client.sendall(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
            with client.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
    except OSError as error:
        raise ProbeError(f"exporter: {part.socket}: {error.strerror or error}") from None
    status = head.partition(b"\r\n")[0].decode(errors="replace")
    if " 200 " not in status:
        raise ProbeError(f"exporter: {status or 'no answer'}")
    return body.decode()


def sources(text: str) -> dict[str, bool]:
    """Whether each of its sources answered it."""
    return {name: up == "1" for name, up in _UP.findall(text)}
