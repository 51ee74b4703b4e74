"""Python that hangs: the clients are told in time, the log names the page, and the site answers again."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from fixtures.local_stack import LocalStack, started

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LONGEST = 6
"""STACK_REQUEST_TIMEOUT, its least"""
SLACK = 1.5
"""seconds beside other tests; without the limits an answer takes twice as long, Apache's Timeout"""
SETTINGS = """
    SECRET_KEY = "of this test only, and a long one: 0123456789 0123456789 0123456789"
    ROOT_URLCONF = "pages"
    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
"""
PAGES = """
    import re
    import threading
    import time
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    def sleep(request):
        time.sleep(float(request.GET["seconds"]))
        return HttpResponse("slept")

    def deadlock(request):
        lock = threading.Lock()
        with lock, lock:
            pass

    def hold(request):
        re.match("(a+)+$", "a" * 60 + "b")

    def stream(request):
        def pieces():
            for _ in range(10):
                time.sleep(1)
                yield b"piece"
        return StreamingHttpResponse(pieces())

    urlpatterns = [path(page.__name__, page) for page in (sleep, deadlock, hold, stream)]
"""
MANAGE = """
    import os
    import sys
    from django.core.management import execute_from_command_line
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    execute_from_command_line(sys.argv)
"""


@pytest.fixture(scope="module")
def site() -> Iterator[LocalStack]:
    """A project with pages that hang, in one process of four threads."""
    with TemporaryDirectory(prefix="project-", dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        for file, text in {"settings.py": SETTINGS, "pages.py": PAGES, "manage.py": MANAGE}.items():
            (place / file).write_text(textwrap.dedent(text))
        inputs = {"STACK_REQUEST_TIMEOUT": str(LONGEST), "STACK_PROCESSES": "1", "STACK_THREADS": "4"}
        with started(STACK_PROJECT=name, **inputs) as running:
            yield running


def ask(site: LocalStack, page: str) -> tuple[int, float, str]:
    """Status, seconds, body."""
    begun = time.monotonic()
    answer = requests.get(f"{site.url}/{page}", timeout=60)
    return answer.status_code, time.monotonic() - begun, answer.text


def log(site: LocalStack) -> str:
    text: str = (site.directory / "log/apache-error.log").read_text()
    return text


def test_one_that_hangs_ends_alone(site: LocalStack) -> None:
    (daemon,), before = site.daemons(), len(log(site))
    with ThreadPoolExecutor() as pool:
        hung = pool.submit(ask, site, "sleep?seconds=40&password=hidden")
        time.sleep(LONGEST - 1.5)
        other = pool.submit(ask, site, "sleep?seconds=4")
        assert other.result()[::2] == (200, "slept")
        status, seconds, _ = hung.result()
    assert status == 504
    assert LONGEST <= seconds < LONGEST + SLACK
    site.wait_until(site.answers)
    assert [process.pid for process in site.daemons()] != [daemon.pid]
    lines = log(site)[before:]
    assert re.search(r"hung request: GET '/sleep' takes [78]\.\d s", lines)
    assert "in sleep\n" in lines
    assert 'time.sleep(float(request.GET["seconds"]))' in lines
    assert "hidden" not in lines.split("hung request", 1)[1].split("\n", 1)[0]


@pytest.mark.parametrize("page", ["sleep?seconds=60", "deadlock"])
def test_when_all_hang_the_queue_is_told_and_the_site_is_back(site: LocalStack, page: str) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        hung = [pool.submit(ask, site, page) for _ in range(4)]
        time.sleep(1)
        queued: list[Future[tuple[int, float, str]]] = [pool.submit(ask, site, "sleep?seconds=0") for _ in range(4)]
        assert [future.result()[0] for future in hung] == [504] * 4
        for future in queued:
            status, seconds, _ = future.result()
            assert status == 504
            assert seconds < LONGEST + SLACK
    site.wait_until(site.answers)
    assert time.monotonic() - begun < LONGEST + 5


def test_the_lock_of_the_interpreter_held_ends_too(site: LocalStack) -> None:
    begun = time.monotonic()
    status, seconds, _ = ask(site, "hold")
    assert status == 504
    assert LONGEST <= seconds < LONGEST + SLACK
    site.wait_until(site.answers)
    assert time.monotonic() - begun < 2 * LONGEST


def test_a_stream_may_take_longer_than_a_request(site: LocalStack) -> None:
    (daemon,) = site.daemons()
    status, seconds, text = ask(site, "stream")
    assert (status, text.count("piece")) == (200, 10)
    assert seconds > LONGEST
    assert [process.pid for process in site.daemons()] == [daemon.pid]
