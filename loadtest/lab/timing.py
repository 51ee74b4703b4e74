"""CPU time that requests take inside of the application, as the threads that run it count it."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pgstack.planning.state import current_plan

FOLDER = "timing"
"""of the lab's files; each process writes one there"""
TOTALS = struct.Struct("=qd")
"""requests, and their CPU seconds"""
WRITE_EACH = 10
"""requests between two writes"""


def patch() -> None:
    """Time each request of this process: from WSGI's call to the response, and the response's
    `close`."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse

    directory = Path(current_plan().paths.root, "lab", FOLDER)
    directory.mkdir(parents=True, exist_ok=True)
    file, lock = (
        os.open(directory / str(os.getpid()), os.O_WRONLY | os.O_CREAT, 0o600),
        threading.Lock(),
    )
    requests, seconds = 0, 0.0

    def timed(method: Callable[..., Any], last: bool) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal requests, seconds
            begin = time.thread_time()
            try:
                return method(*arguments)
            finally:
                with lock:
                    seconds += time.thread_time() - begin
                    requests += last
                    if last and requests % WRITE_EACH == 0:
                        os.pwrite(file, TOTALS.pack(requests, seconds), 0)

        return call

    WSGIHandler.__call__ = timed(WSGIHandler.__call__, last=False)  # type: ignore[method-assign]
    HttpResponse.close = timed(HttpResponse.close, last=True)  # type: ignore[method-assign]


def totals(directory: Path) -> tuple[int, float]:
    """Requests and their CPU seconds so far, of all processes that write into `directory`."""
    texts = [path.read_bytes() for path in directory.iterdir()]
    counts = [TOTALS.unpack(text) for text in texts if text]  # empty: no request yet
    return sum(requests for requests, _ in counts), sum(seconds for _, seconds in counts)
