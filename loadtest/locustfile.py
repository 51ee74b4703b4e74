"""The users of the load test. Also works alone: `locust -f loadtest/locustfile.py --headless -u 16 -t 10s`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from locust import FastHttpUser, events, task
from locust.env import Environment

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "app")]

from loadtest import inputs  # noqa: E402 - the path comes first
from pgstack.errors import StackError  # noqa: E402
from pgstack.state import current_plan  # noqa: E402

try:
    LOAD, BASE_URL = inputs.load(os.environ), inputs.base_url(current_plan())
except StackError as error:
    print(error, file=sys.stderr)
    sys.exit(2)


class Visitor(FastHttpUser):
    """Asks for one page again and again over a kept connection, without a pause."""

    host = BASE_URL
    network_timeout = 40.0  # above the stack's own limits, so that its answer arrives
    connection_timeout = 5.0

    @task
    def page(self) -> None:
        """One request."""
        self.client.get(LOAD.page)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def stay_on_this_host(environment: Environment, **_: Any) -> None:
    """Refuse `--host` with another machine's name before the first request."""
    url = environment.host or BASE_URL
    if not inputs.is_loopback(url):
        print(f"--host {url}: load goes to this host only. Leave it out or name 127.0.0.1.", file=sys.stderr)
        os._exit(2)  # an exception in a listener would only be logged
