"""Python that hangs: the clients are told in time, the log names the page, and the site answers
again."""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests

from fixtures.local_stack import LocalStack, started

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LONGEST = 6
"""STACK_REQUEST_TIMEOUT, its least"""
WAIT = 2
"""a third of it, for a free thread"""
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

    hoard = []

    def grow(request):
        hoard.append(b"x" * (int(request.GET["mb"]) << 20))
        return HttpResponse(len(hoard))

    def stream(request):
        def pieces():
            for _ in range(10):
                time.sleep(1)
                yield b"piece"
        return StreamingHttpResponse(pieces())

    urlpatterns = [path(page.__name__, page) for page in (sleep, deadlock, hold, grow, stream)]
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
    """A project with pages that hang, in two processes of two threads."""
    with TemporaryDirectory(prefix="project-", dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        for file, text in {"settings.py": SETTINGS, "pages.py": PAGES, "manage.py": MANAGE}.items():
            (place / file).write_text(textwrap.dedent(text))
        inputs = {
            "STACK_REQUEST_TIMEOUT": str(LONGEST),
            "STACK_PROCESSES": "2",
            "STACK_THREADS": "2",
        }
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


def processes(site: LocalStack) -> set[int]:
    return {process.pid for process in site.daemons()}


def access_log(site: LocalStack) -> list[dict[str, Any]]:
    lines = (site.directory / "log/apache-access.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_one_that_hangs_ends_alone(site: LocalStack) -> None:
    old, before = processes(site), len(log(site))
    with ThreadPoolExecutor() as pool:
        hung = pool.submit(ask, site, "sleep?seconds=40&password=hidden")
        time.sleep(LONGEST - 1.5)
        other = pool.submit(ask, site, "sleep?seconds=4")
        assert other.result()[::2] == (200, "slept")
        status, seconds, _ = hung.result()
    assert status == 504
    assert LONGEST <= seconds < LONGEST + SLACK
    site.wait_until(lambda: len(processes(site)) == 2 and processes(site) != old)
    site.wait_until(site.answers)
    assert len(processes(site) & old) == 1, "the other one goes on"
    lines = log(site)[before:]
    (request,) = re.findall(r"hung request: GET '/sleep' \[(\S+)\] takes [78]\.\d s", lines)
    (line,) = [line for line in access_log(site) if line["id"] == request]
    asked = "GET /sleep?seconds=40&password=hidden HTTP/1.1"
    assert (line["request"], line["status"]) == (asked, 504)
    assert "in sleep\n" in lines
    assert 'time.sleep(float(request.GET["seconds"]))' in lines
    assert "hidden" not in lines.split("hung request", 1)[1].split("\n", 1)[0]


@pytest.mark.parametrize("page", ["sleep?seconds=60", "deadlock"])
def test_when_all_hang_the_queue_is_told_and_the_site_is_back(site: LocalStack, page: str) -> None:
    begun, before = time.monotonic(), len(log(site))
    with ThreadPoolExecutor(20) as pool:
        hung = [pool.submit(ask, site, page) for _ in range(4)]
        time.sleep(1)
        queued: list[Future[tuple[int, float, str]]] = [
            pool.submit(ask, site, "sleep?seconds=0") for _ in range(4)
        ]
        assert [future.result()[0] for future in hung] == [504] * 4
        for future in queued:
            status, seconds, _ = future.result()
            assert status == 504
            assert WAIT <= seconds < WAIT + SLACK
    site.wait_until(lambda: log(site)[before:].count("hung request: ") == 4, LONGEST)
    entries = log(site)[before:].split("hung request: ")[1:]
    assert len({entry.split("]")[0] for entry in entries}) == 4
    stacks = [entry for entry in entries if 'File "' in entry]
    same = [entry for entry in entries if " It is where GET '/" in entry]
    assert (len(stacks), len(same)) == (2, 2), "in each process they hang at the same place"
    site.wait_until(site.answers)
    assert time.monotonic() - begun < 3 * LONGEST, "two processes load at the same time"


def test_the_lock_of_the_interpreter_held_ends_too(site: LocalStack) -> None:
    begun, old = time.monotonic(), processes(site)
    status, seconds, _ = ask(site, "hold")
    assert status == 504
    assert LONGEST <= seconds < LONGEST + SLACK
    site.wait_until(lambda: len(processes(site)) == 2 and processes(site) != old)
    site.wait_until(site.answers)
    assert time.monotonic() - begun < 2 * LONGEST + SLACK


def test_a_stream_may_take_longer_than_a_request(site: LocalStack) -> None:
    old = processes(site)
    status, seconds, text = ask(site, "stream")
    assert (status, text.count("piece")) == (200, 10)
    assert seconds > LONGEST
    assert processes(site) == old


def test_who_waits_is_served_when_a_thread_becomes_free(site: LocalStack) -> None:
    with ThreadPoolExecutor(20) as pool:
        working = [pool.submit(ask, site, "sleep?seconds=1.5") for _ in range(4)]
        time.sleep(0.1)
        waiting = [pool.submit(ask, site, "sleep?seconds=0") for _ in range(3)]
        answers = [future.result() for future in (*working, *waiting)]
    assert [(status, text) for status, _, text in answers] == [(200, "slept")] * 7


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_come_in_for_longer_than_a_request_waits(
    site: LocalStack, chunked: bool
) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(4):
            yield b"x" * 400
            time.sleep(1)

    begun = time.monotonic()
    headers = {"Content-Type": "text/plain", "Content-Length": "1600"}
    prepared = requests.Request(
        "POST", f"{site.url}/sleep?seconds=0", data=pieces(), headers=headers
    ).prepare()
    del prepared.headers["Content-Length" if chunked else "Transfer-Encoding"]
    with requests.Session() as session:
        answer = session.send(prepared, timeout=60)
    assert time.monotonic() - begun > WAIT
    assert (answer.status_code, answer.text) == (200, "slept")


def test_a_process_that_has_grown_is_replaced_and_nobody_notices(site: LocalStack) -> None:
    old, before = processes(site), len(log(site))
    assert ask(site, "grow?mb=250")[0] == 200
    answers = []
    until = time.monotonic() + 3 * LONGEST
    while processes(site) == old:
        assert time.monotonic() < until, "it was not replaced"
        answers.append(ask(site, "sleep?seconds=0")[0])
        time.sleep(0.02)
    answers += [ask(site, "sleep?seconds=0")[0] for _ in range(20)]
    assert len(processes(site) & old) == 1
    assert set(answers) == {200}
    assert re.search(
        r"\d\d\d MB of memory, over \d+ MB: this process is replaced", log(site)[before:]
    )
