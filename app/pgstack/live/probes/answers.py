"""Answers over HTTP that have an end: in time as a whole, and in size. Whoever has taken over what
is asked holds nobody with them."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import IO, cast
from urllib.parse import urlencode

from pgstack.errors import ProbeError

LIMIT = 4 * 1024**2
"""bytes of an answer, many times what there is"""
Address = str | tuple[str, int]
"""path of a Unix socket, or host and port"""


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    type: str
    headers: dict[str, str]
    body: bytes


def ask(
    who: str, address: Address, target: str, seconds: float, form: Mapping[str, str] | None = None
) -> Answer:
    """What is answered at an address, all of it within so many seconds; a `form` is posted. Raises
    ProbeError, which begins with `who`."""
    deadline = time.monotonic() + seconds
    try:
        with socket.socket(
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        ) as client:
            client.settimeout(seconds)
            client.connect(address)
            client.sendall(_question(target, form))
            said = cast("socket.socket", _Said(_received(who, client, deadline)))
        with HTTPResponse(said) as answer:
            answer.begin()
            body, headers = answer.read(), dict(answer.getheaders())
            return Answer(answer.status, headers.get("Content-Type", ""), headers, body)
    except OSError as error:
        place = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
        raise ProbeError(f"{who}: {place}: {error.strerror or error}") from None
    except HTTPException as error:
        raise ProbeError(f"{who}: {error or 'no answer'}") from None


def _question(target: str, form: Mapping[str, str] | None) -> bytes:
    if form is None:
        return f"GET {target} HTTP/1.0\r\n\r\n".encode("ascii", "replace")
    body = urlencode(form).encode()
    head = (
        f"POST {target} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii", "replace") + body


class _Said:
    """What was received, to http.client."""

    def __init__(self, received: bytes) -> None:
        self.received = received

    def makefile(self, _: str) -> IO[bytes]:
        """All of it."""
        return io.BytesIO(self.received)


def _received(who: str, client: socket.socket, deadline: float) -> bytes:
    """Until its end. Raises ProbeError where that is too far, TimeoutError."""
    received = bytearray()
    while True:
        client.settimeout(max(0.001, deadline - time.monotonic()))
        part = client.recv(65536)
        if not part:
            return bytes(received)
        received += part
        if len(received) > LIMIT:
            raise ProbeError(f"{who}: an answer of more than {LIMIT // 1024**2} MB: not its own")
