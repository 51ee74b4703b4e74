"""`loop.py APP PAGE SECONDS`: calls the WSGI application again and again in this process, prints requests/s.

What is left when neither HTTP nor Apache nor a second process is in the way.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from wsgiref.util import setup_testing_defaults

WARM_SECONDS = 1.0


def main() -> None:
    """Warm up, measure, print."""
    sys.path.insert(0, sys.argv[1])
    from config.wsgi import application

    path, _, query = sys.argv[2].partition("?")
    environ = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": "127.0.0.1"}
    setup_testing_defaults(environ)

    status: list[str] = []

    def start(text: str, headers: object, error: object = None) -> Callable[[bytes], object]:
        status[:] = [text]
        return lambda data: None

    def ask() -> None:
        answer = application(dict(environ), start)
        body = b"".join(answer)
        answer.close()
        if not status[0].startswith("200") or not body:
            sys.exit(f"{sys.argv[2]}: {status[0]}")

    def rate(seconds: float) -> float:
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            ask()
            count += 1
        return count / (time.perf_counter() - begin)

    rate(WARM_SECONDS)
    print(rate(float(sys.argv[3])))


if __name__ == "__main__":
    main()
