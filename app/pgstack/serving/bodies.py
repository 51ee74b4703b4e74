"""The body of a request, whole and with its length, and the path as it was sent.

Apache has read the body of a POST or PUT into a file (apache/bodies.lua.j2).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote_to_bytes

FILE, CHUNKED = "pgstack.body", "pgstack.chunked"
"""variables that Apache sets; no header of a client becomes one without HTTP_"""
IN_MEMORY = 64 * 1024
"""bytes of a chunked body that stay in memory: as many as Django reads at a time
(FileUploadHandler.chunk_size)"""

Environment = dict[str, Any]
Application = Callable[..., Iterable[bytes]]


class Bodies:
    """A WSGI application that hands requests to `application`."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """400 for a body in chunks that ends too early."""
        if path := environ.pop(FILE, None):
            environ["wsgi.input"] = Path(path).open("rb")  # noqa: SIM115 - the application reads it
        elif environ.pop(CHUNKED, None):
            try:
                _measure(environ)
            except OSError:
                start_response("400 Bad Request", [("Content-Length", "0")])
                return ()
        if "//" in (sent := environ.get("REQUEST_URI", "").partition("?")[0]):
            _slashes(environ, sent)
        return self.application(environ, start_response)


def _measure(environ: Environment) -> None:
    """Read a body in chunks: without a length Django takes it for empty. Raises OSError when it
    ends too early."""
    body: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the application reads it
    try:
        shutil.copyfileobj(environ["wsgi.input"], body)
    except OSError:
        body.close()
        raise
    environ["CONTENT_LENGTH"] = str(body.tell())
    environ["wsgi.input"] = body
    body.seek(0)


def _slashes(environ: Environment, path: str) -> None:
    """Give back the slashes of a path of which Apache made one, where nothing else distinguishes
    the two."""
    sent = "/" + unquote_to_bytes(path).decode("latin-1").lstrip("/")
    if re.sub("//+", "/", sent) == environ["PATH_INFO"]:
        environ["PATH_INFO"] = sent
