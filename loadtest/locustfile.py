"""Users for Locust on its own, with its web page: `locust -f loadtest/locustfile.py`, load goes to
the running stack.

Name classes behind it to have only these, such as `Mixed`; `--headless -u 16 -t 10s` does without
the page. SHAPE names how the number of users changes over time, see `shapes`.
"""

from __future__ import annotations

import os
import random
import sys
import uuid
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.env import Environment

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from loadtest import inputs, running, shapes  # noqa: E402 - the path comes first
from pgstack.errors import StackError  # noqa: E402

LARGEST_AMOUNT = 20
REFUSED = 409
"""insufficient funds: an answer like any other"""

try:
    LOAD, BASE_URL = inputs.load(os.environ), inputs.base_url(running.plan(os.environ))
    if os.environ.get("SHAPE"):
        Shape = shapes.shape(os.environ["SHAPE"])
except StackError as error:
    print(error, file=sys.stderr)
    sys.exit(2)


class Stack(FastHttpUser):
    """Whoever asks this stack."""

    abstract = True
    host = BASE_URL
    network_timeout = 40.0  # above the stack's own limits, so that its answer arrives
    connection_timeout = 5.0

    def browse(self) -> None:
        """One page of those that people read."""
        with self.client.get(
            random.choice(("/", "/fortunes", "/ledger/")), catch_response=True
        ) as answer:
            if "</html>" not in (answer.text or ""):
                answer.failure("the page is not whole")

    def transfer(self) -> None:
        """One transfer between two accounts, under a key of its own."""
        if not hasattr(self, "accounts"):
            self.accounts = [
                account["id"] for account in self.client.get("/ledger/accounts").json()["accounts"]
            ]
        source, target = random.sample(self.accounts, 2)
        key = str(uuid.uuid4())
        with self.client.post(
            "/ledger/transfers",
            json={"source": source, "target": target, "amount": random.randint(1, LARGEST_AMOUNT)},
            headers={"Idempotency-Key": key},
            catch_response=True,
        ) as answer:
            if answer.status_code == REFUSED:
                answer.success()
            elif answer.status_code != 201 or answer.json()["key"] != key:
                answer.failure(f"status {answer.status_code}: {(answer.text or '')[:200]}")


class Visitor(Stack):
    """Asks for PAGE again and again over a kept connection, without a pause."""

    @task
    def page(self) -> None:
        """Ask for the page once."""
        self.client.get(LOAD.page)


class Browsing(Stack):
    """Reads pages, half a second to two on each."""

    wait_time = between(0.5, 2)

    @task
    def read(self) -> None:
        """One page."""
        self.browse()


class Writing(Stack):
    """Makes transfers in the ledger without a pause."""

    @task
    def write(self) -> None:
        """One transfer."""
        self.transfer()


class Mixed(Stack):
    """Nine reads for one write, a tenth of a second to half of one between them."""

    wait_time = between(0.1, 0.5)

    @task(9)
    def read(self) -> None:
        """One page."""
        self.browse()

    @task(1)
    def write(self) -> None:
        """One transfer."""
        self.transfer()


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def stay_on_this_host(environment: Environment, **_: Any) -> None:
    """Refuse `--host` with another machine's name before the first request."""
    url = environment.host or BASE_URL
    if not inputs.is_loopback(url):
        print(
            f"--host {url}: load goes to this host only. Leave it out or name 127.0.0.1.",
            file=sys.stderr,
        )
        os._exit(2)  # an exception in a listener would only be logged
