"""Whether a WSGI application answers: `python -m pgstack.serving.trial [FILE HOST PATH…]`, in a
process of its own.

Without words it asks what the plan serves for its front page.

It is what a release has to pass before a web process loads it. Nothing is sent over the network.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

from django.core.signals import got_request_exception

from pgstack.planning import layout, targets
from pgstack.planning.state import current_plan
from pgstack.serving import confine
from pgstack.wsgi import GC_THRESHOLD

SERVER_ERROR = 500


def application(file: str) -> Callable[..., Iterable[bytes]]:
    """The object `application` of a WSGI file. Raises whatever its import raises."""
    spec = importlib.util.spec_from_file_location("trial_wsgi", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded: Callable[..., Iterable[bytes]] = module.application
    return loaded


def ask(app: Callable[..., Iterable[bytes]], host: str, path: str) -> int:
    """Status of a GET of `path` under the name `host`, asked of the application itself."""
    environ: dict[str, Any] = {"HTTP_HOST": host, "PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1"}
    setup_testing_defaults(environ)
    statuses: list[int] = []

    def start(status: str, *_: object) -> None:
        statuses.append(int(status.split(maxsplit=1)[0]))

    answer = app(environ, start)
    for _ in answer:
        pass
    if (close := getattr(answer, "close", None)) is not None:
        close()
    return statuses[-1]


def _of_the_plan() -> list[str]:
    """What mod_wsgi loads, with the modules where it finds them."""
    plan = current_plan()
    sys.path[:0] = plan.web.python_path
    return [plan.web.wsgi, plan.site.hosts[0].lstrip("."), "/"]


def _print(**_: Any) -> None:
    """A project's own logging may keep from standard error what its page raised."""
    traceback.print_exc()


def main() -> None:
    """1, and the reason as the last line, when the file cannot be imported or an answer is a
    server's error."""
    file, host, *paths = sys.argv[1:] or _of_the_plan()
    if targets.of((plan := current_plan()).target).confines:
        confine.confine([*confine.EVERYWHERE, *layout.written_by_pages(plan.paths)])
    gc.set_threshold(GC_THRESHOLD)
    app = application(file)
    got_request_exception.connect(_print)
    for path in paths:
        status = ask(app, host, path)
        if status >= SERVER_ERROR:
            sys.exit(f"{path} is answered with {status}")


if __name__ == "__main__":
    main()
