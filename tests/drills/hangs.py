"""Drills with pages that hang, as many at once as take all that can answer."""

from __future__ import annotations

import json
import textwrap
from concurrent.futures import ThreadPoolExecutor

import requests

from drills.catalogue import drill
from failures.test_hung_requests import PAGES as HANGING
from fixtures.local_stack import LocalStack

LONGEST = 6
"""STACK_REQUEST_TIMEOUT of that stack, its least, in seconds"""
PAGES = f"""
of_the_demo = urlpatterns
{textwrap.dedent(HANGING)}
def spin(request):
    while True:
        pass

urlpatterns += [*of_the_demo, path("spin", spin)]
"""
"""to be added to the demo's addresses"""
TOLD = "apache-error.log: page, time, stack"


def _ask(stack: LocalStack, page: str, count: int) -> None:
    def status(_number: int) -> int:
        return requests.get(f"{stack.url}/{page}", timeout=60).status_code

    before = len(_log(stack))
    with ThreadPoolExecutor(count) as pool:
        assert set(pool.map(status, range(count))) <= {503, 504}
    # Where no thread can run, nobody in the process can say which page it was.
    words = (
        "Timeout when reading response headers"
        if page == "hold"
        else f"GET '/{page.partition('?')[0]}'"
    )
    stack.wait_until(lambda: words in _log(stack)[before:], 20)


def _log(stack: LocalStack) -> str:
    return (stack.directory / "log/apache-error.log").read_text()


def _web(stack: LocalStack) -> tuple[int, int]:
    """Processes, and threads in all of them."""
    web = json.loads((stack.directory / "conf/plan.json").read_text())["web"]
    return web["processes"], web["processes"] * web["threads"]


@drill(
    "page sleeps",
    f"`time.sleep(60)` in as many requests as there are threads, longest request {LONGEST} s",
    TOLD,
    20,
    stack="hanging",
)
def page_sleeps(stack: LocalStack) -> None:
    """As a page that waits for a service that never answers."""
    _ask(stack, "sleep?seconds=60", _web(stack)[1])


@drill(
    "page in a deadlock",
    "a lock is taken twice, in as many requests as there are threads",
    TOLD,
    20,
    stack="hanging",
)
def page_deadlocks(stack: LocalStack) -> None:
    """Nothing but the end of the process frees it."""
    _ask(stack, "deadlock", _web(stack)[1])


@drill("page spins", "an endless loop in Python, one in each process", TOLD, 20, stack="hanging")
def page_spins(stack: LocalStack) -> None:
    """It gives the interpreter's lock up every 5 ms."""
    _ask(stack, "spin", _web(stack)[0])


@drill(
    "page holds the interpreter's lock",
    "a regular expression that does not end, one in each process",
    "apache-error.log: a timeout, not the page",
    25,
    stack="hanging",
)
def page_holds_lock(stack: LocalStack) -> None:
    """No other thread of the process runs."""
    _ask(stack, "hold", _web(stack)[0])
