"""CPU time that requests take inside of the application, as the threads that run it count it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pgstack.state import current_plan

FOLDER = "timing"
"""of the lab's files; each process writes one there"""
WRITE_EACH = 50
"""requests between two writes: they take less than one part in a thousand of the time"""


def patch() -> None:
    """Time each request of this process: from WSGI's call to the response, and the response's `close`."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse

    directory = Path(current_plan().paths.root, "lab", FOLDER)
    directory.mkdir(parents=True, exist_ok=True)
    path, lock = directory / str(os.getpid()), threading.Lock()
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
                        path.with_suffix(".new").write_text(json.dumps([requests, seconds]))
                        path.with_suffix(".new").rename(path)

        return call

    WSGIHandler.__call__ = timed(WSGIHandler.__call__, last=False)  # type: ignore[method-assign]
    HttpResponse.close = timed(HttpResponse.close, last=True)  # type: ignore[method-assign]


def totals(directory: Path) -> tuple[int, float]:
    """Requests and their CPU seconds so far, of all processes that write into `directory`."""
    found = [json.loads(path.read_text()) for path in directory.iterdir() if path.suffix != ".new"]
    return sum(requests for requests, _ in found), sum(seconds for _, seconds in found)
