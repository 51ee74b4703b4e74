"""The WSGI application called again and again in its own process: what is left without HTTP and
without Apache.

`loop.py APP PAGE SECONDS` prints requests/s. mod_wsgi runs this file as a WSGIImportScript: then
LAB_LOOP holds the same three words and the path of a directory, which gets a file with the figure
from each process.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

WARM_SECONDS = 1.0


def measure(app: str, page: str, seconds: float) -> float:
    """Requests/s for `page` of the project in the directory `app`, after a warm-up. Raises OSError
    for a bad answer."""
    sys.path.insert(0, app)
    from config.wsgi import application

    path, _, query = page.partition("?")
    environ = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": "127.0.0.1"}
    setup_testing_defaults(environ)
    status: list[str] = []

    def start(text: str, headers: object, error: object = None) -> Callable[[bytes], object]:
        status[:] = [text]
        return lambda data: None

    def ask() -> None:
        answer: Any = application(dict(environ), start)
        body = b"".join(answer)
        if close := getattr(answer, "close", None):  # PEP 3333
            close()
        if not status[0].startswith("200") or not body:
            raise OSError(f"{page}: {status[0]}")

    def rate(seconds: float) -> float:
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            ask()
            count += 1
        return count / (time.perf_counter() - begin)

    rate(WARM_SECONDS)
    return rate(seconds)


def imported() -> None:
    """What a process of mod_wsgi does when it imports this file."""
    app, page, seconds, directory = os.environ["LAB_LOOP"].split()
    path = Path(directory, str(os.getpid()))
    figure = measure(app, page, float(seconds))
    from pgstack.ops import replacing  # found once the application is

    replacing.write(path, str(figure).encode())


if __name__ == "__main__":
    print(measure(sys.argv[1], sys.argv[2], float(sys.argv[3])))
elif "LAB_LOOP" in os.environ:
    imported()
