"""What measuring its requests takes of a web process, in CPU microseconds of a request.

    .venv/bin/python loadtest/studies/measuring.py .stack/conf/plan.json

It answers requests in this process, as the account of a running local stack's web processes, one
after the other with and without measuring. So the code is as cold in the processor's caches as
between pages: in a loop of its own it takes a third. What the watchdog counts later is not in it.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from loadtest import program  # noqa: E402 - the path comes first
from loadtest.two_stacks import read  # noqa: E402
from pgstack.live import account  # noqa: E402
from pgstack.planning.plan import Plan  # noqa: E402

WARM_REQUESTS = 300
US = 1e3
"""nanoseconds"""


def environ(plan: Plan, page: str) -> dict[str, Any]:
    """Variables of a GET, as mod_wsgi sets them."""
    host, now = plan.site.url.split("/")[2], int(time.time() * 1e6)
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": page,
        "REQUEST_URI": page,
        "QUERY_STRING": "",
        "SERVER_NAME": host.partition(":")[0],
        "SERVER_PORT": host.partition(":")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": host,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "mod_wsgi.request_id": "abcdefghijk",
        "mod_wsgi.queue_start": str(now - 300),
        "mod_wsgi.daemon_start": str(now),
    }


def answer(application: Callable[..., Any], variables: dict[str, Any]) -> int:
    """CPU nanoseconds of a request. Raises SystemExit unless it is answered with 200."""
    statuses: list[str] = []
    begun = time.thread_time_ns()
    answered = application(variables, lambda status, *_: statuses.append(status))
    for _ in answered:
        pass
    answered.close()
    if statuses != ["200 OK"]:
        raise SystemExit(f"{variables['PATH_INFO']}: {statuses}")
    return time.thread_time_ns() - begun


def main() -> int:
    """Print the medians."""
    parser = argparse.ArgumentParser(description="what measuring takes of a web process")
    parser.add_argument("plan", type=Path, help="plan.json of a local stack that runs")
    parser.add_argument("--page", default="/db")
    parser.add_argument("--requests", type=int, default=5000, help="of each kind")
    asked = parser.parse_args()
    plan = read(asked.plan)
    account.assume(plan.accounts.web)
    os.environ.update(STACK_DIR=plan.paths.root, STACK_PORT=str(plan.site.port))
    from config import wsgi
    from pgstack.serving import meter
    from pgstack.serving.watchdog import Watch

    with tempfile.TemporaryDirectory() as directory:
        own = meter.opened(Path(directory))
        django = wsgi.django_application
        kinds = {
            "measured and told to Apache": Watch(django, 30, None, own, tells=True),
            "measured": Watch(django, 30, None, own),
            "not measured": Watch(django, 30),
            "not measured, again": Watch(django, 30),
        }
        taken: dict[str, list[int]] = {name: [] for name in kinds}
        for _ in range(WARM_REQUESTS + asked.requests):
            for name in random.sample(list(kinds), len(kinds)):
                taken[name].append(answer(kinds[name], environ(plan, asked.page)))
    for name, times in taken.items():
        print(f"{median(times[WARM_REQUESTS:]) / US:7.1f} µs {name}")
    return 0


if __name__ == "__main__":
    sys.exit(program.status(main))
