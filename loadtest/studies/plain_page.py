"""A WSGI application that does nothing: what is left of a request is HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BODY = b'{"id": 1, "randomNumber": 1}'
"""as long as the page /db of the demo"""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The same answer to everybody."""
    del environ
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    return [BODY]
