"""The page for staff on real servers: who sees it, what is in it, and that it needs no site."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from fixtures import foreign
from fixtures.local_stack import LocalStack, owner, started
from pgstack import staff_page
from pgstack.live.probes import exporter
from pgstack.metrics import lines
from pgstack.metrics.page import POLICY
from pgstack.planning.metrics import Metrics

pytestmark = pytest.mark.integration

KEYS = {
    "now",
    "interval",
    "ranges",
    "stack",
    "verdict",
    "alerts",
    "down",
    "limits",
    "facts",
    "statements",
    "sessions",
    "time",
    "lines",
    "marks",
}


@pytest.fixture(scope="module")
def site() -> Iterator[LocalStack]:
    """A project with Django's login."""
    with tempfile.TemporaryDirectory(prefix="project-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        project = foreign.make(Path(name) / "shop", "dj-database-url")
        with started(STACK_PROJECT=str(project)) as running:
            yield running


def session(stack: LocalStack, name: str, *, staff: bool) -> str:
    who = f'username="{name}", is_staff={staff}'
    code = foreign.LOG_IN.replace('username="visitor"', who)
    done = stack.manage("shell", "--verbosity=0", "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def get(stack: LocalStack, path: str, **cookies: str) -> requests.Response:
    return requests.get(f"{stack.url}{path}", cookies=cookies, timeout=40, allow_redirects=False)


def invited(stack: LocalStack) -> dict[str, str]:
    """The cookie of somebody who opened what `stack_page` prints."""
    address = stack.manage("stack_page").stdout.strip()
    assert address.startswith(f"http://localhost:{stack.port}/stack/?key=")
    answer = get(stack, address.partition(str(stack.port))[2])
    assert (answer.status_code, answer.headers["Location"]) == (302, "/stack/")
    assert "HttpOnly; Max-Age=43200; Path=/stack/; SameSite=Lax" in answer.headers["Set-Cookie"]
    return dict(answer.cookies)


def figures(stack: LocalStack) -> dict[str, Any]:
    """As the exporter itself has them."""
    part = Metrics(
        socket=f"{stack.directory}/run/metrics/metrics.sock",
        port=0,
        facts="",
        processes="",
        connections=1,
    )
    answer = exporter.ask(part, "/stack/figures.json")
    assert answer.status == 200
    return dict(json.loads(answer.body))


def test_staff_sees_it_and_nobody_else(site: LocalStack) -> None:
    for cookies in (
        {},
        {"sessionid": session(site, "visitor", staff=False)},
        {"sessionid": "x" * 32},
        {staff_page.COOKIE: "staff:1:x"},
    ):
        for name in ("", "figures.json", "history.json?range=6h", "page.js"):
            refused = get(site, f"/stack/{name}", **cookies)
            assert refused.status_code == 403
            assert "/admin/login/?next=%2Fstack%2F" in refused.text
            assert "Set-Cookie" not in refused.headers
    staff = {"sessionid": session(site, "chief", staff=True)}
    for name in (*exporter.FILES, exporter.FIGURES):
        answer = get(site, f"/stack/{name}", **staff)
        assert answer.status_code == 200
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Cache-Control"] == "no-store"
    assert "Stack status" in get(site, "/stack/", **staff).text
    for query, status in (("range=6h", 503), ("range=1h", 404), ("query=up&range=6h%22", 404)):
        assert get(site, f"/stack/history.json?{query}", **staff).status_code == status


def test_other_addresses_below_it_stay_the_projects(site: LocalStack) -> None:
    for path in ("/stack/other", "/stack/../stack/x", "/stack/probe", "/stack"):
        assert get(site, path).status_code == 404


def test_staff_sees_it_while_the_database_is_down(site: LocalStack) -> None:
    answer = get(site, "/stack/", sessionid=session(site, "chief", staff=True))
    with stopped(site, "postgres"):
        cookies = dict(answer.cookies)

        def down() -> list[str]:
            return list(get(site, "/stack/figures.json", **cookies).json()["down"])

        site.wait_until(lambda: "postgresql" in down())


def test_a_site_without_a_login_is_shown_by_a_signed_address(stack: LocalStack) -> None:
    refused = get(stack, "/stack/")
    assert refused.status_code == 403
    assert "stack_page" in refused.text
    for key in ("", "address", "address:1:abc", "invited:1:abc"):
        assert get(stack, f"/stack/?key={key}").status_code == 403
    cookie = invited(stack)
    assert get(stack, "/stack/", **cookie).status_code == 200
    assert get(stack, "/stack/figures.json?since=x%0d%0aHost:", **cookie).status_code == 200
    assert get(stack, "/", **cookie).status_code == 200
    changed = {name: value.replace("invited", "staff") for name, value in cookie.items()}
    assert get(stack, "/stack/", **changed).status_code == 403


def test_figures_have_a_line_for_everything_beside_the_plan(stack: LocalStack) -> None:
    cookie = invited(stack)
    for _ in range(30):
        get(stack, "/queries?n=100")  # long enough to be among the ten that are shown

    def seen() -> bool:
        return any('FROM "world"' in row["text"] for row in figures(stack).get("statements", []))

    figures(stack)  # somebody looks: statements are asked for from now on
    stack.wait_until(seen, 30)
    stack.wait_until(lambda: figures(stack)["lines"]["requests"][-1] is not None, 30)
    shown = get(stack, "/stack/figures.json", **cookie).json()
    assert set(shown) == KEYS
    assert shown["interval"] == 5
    assert set(shown["lines"]) == set(lines.NAMES)
    assert {len(line) for line in shown["lines"].values()} == {len(shown["time"])}
    for name in ("requests", "queue", "workers", "threads", "pool", "active", "cpu", "disk_free"):
        assert shown["lines"][name][-1] is not None, name
    assert {name: shown["limits"][name] for name in ("threads", "pool", "request_timeout")} == {
        "threads": 8,
        "pool": 5,
        "request_timeout": 30,
    }
    assert any('FROM "world"' in row["text"] for row in shown["statements"])
    last = shown["time"][-1]
    later = get(stack, f"/stack/figures.json?since={last}", **cookie).json()
    assert all(at > last for at in later["time"])
    assert len(later["time"]) < 5


def test_no_value_of_a_statement_is_in_it(stack: LocalStack) -> None:
    word = "sesame4711"
    stack.sql("SELECT stack.pg_stat_statements_reset()")
    stack.sql(f"SELECT count(*) FROM fortune WHERE message = '{word}' /* {word} */")
    stack.sql(f"BEGIN; CREATE ROLE opens PASSWORD '{word}'; ROLLBACK")
    running = stack.psql(f"BEGIN; SELECT '{word}', pg_sleep(12)")
    try:
        figures(stack)
        stack.wait_until(lambda: bool(figures(stack).get("sessions")), 15)
        shown = figures(stack)
        assert any("fortune" in row["text"] for row in shown["statements"])
        assert shown["sessions"][0]["words"] in {"BEGIN", "SELECT"}
        assert word not in json.dumps(shown)
        assert "opens" not in json.dumps(shown)
    finally:
        running.communicate(timeout=30)


def test_who_blocks_is_told_with_role_and_state(stack: LocalStack) -> None:
    blocker = stack.psql("BEGIN; LOCK TABLE world; SELECT pg_sleep(40)")
    held = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'"
    stack.wait_until(lambda: stack.sql(f"{held} AND relation = 'world'::regclass") == "1")
    asked = [f"{stack.url}/updates?n=1"] * 3
    waiting = [subprocess.Popen(["curl", "-so", "/dev/null", url]) for url in asked]

    def blocks() -> list[dict[str, Any]]:
        return [
            session
            for session in figures(stack)["sessions"]
            if session["blocks"] and not session["waits"]
        ]

    try:
        figures(stack)
        stack.wait_until(lambda: "sessions" in figures(stack) and bool(blocks()), 30)
        (session,) = blocks()
        assert (session["role"], session["program"], session["state"]) == (
            "postgres",
            "psql",
            "active",
        )
        assert session["seconds"] > 0
    finally:
        stack.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'"
        )
        for process in (blocker, *waiting):
            process.communicate(timeout=30)


def test_it_needs_no_site(stack: LocalStack) -> None:
    """By a port of the loopback address, as an SSH tunnel ends at one."""
    with stopped(stack, "apache"), led(stack) as port:
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=10)
        assert "Stack status" in page.text
        assert page.headers["Content-Security-Policy"] == POLICY
        for name in ("page.js", "uplot.js", "stack/page.js"):
            assert requests.get(f"http://localhost:{port}/{name}", timeout=10).status_code == 200
        shown = requests.get(f"http://localhost:{port}/figures.json", timeout=10).json()
        assert shown["now"] > time.time() - 15
        for path in ("/../exporter.py", "/page.html", "/stack/stack/"):
            assert requests.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code == 404
        # A page of somebody else whose name leads here, in a browser that has the tunnel.
        stranger = {"Host": f"evil.example:{port}"}
        assert (
            requests.get(f"http://127.0.0.1:{port}/", headers=stranger, timeout=10).status_code
            == 404
        )


def test_a_port_says_when_the_exporter_is_away(stack: LocalStack) -> None:
    with stopped(stack, "metrics"), led(stack) as port:
        away = requests.get(f"http://127.0.0.1:{port}/figures.json", timeout=10)
        assert away.status_code == 503
        assert "exporter: " in away.text
    assert get(stack, "/stack/figures.json").status_code == 403


@contextmanager
def stopped(stack: LocalStack, program: str) -> Iterator[None]:
    configuration = str(stack.directory / "supervisord.conf")
    control = [str(stack.supervisorctl), "-c", configuration]
    subprocess.run([*control, "stop", program], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*control, "start", program], check=True, capture_output=True)
        stack.wait_until(stack.answers, 60)


@contextmanager
def led(stack: LocalStack) -> Iterator[str]:
    """The port that `python -m pgstack.metrics page` has."""
    environment = {**os.environ, "STACK_PLAN": str(stack.directory / "conf/plan.json")}
    command = owner(stack.directory, [sys.executable, "-m", "pgstack.metrics", "page", "0"])
    process = subprocess.Popen(
        command, env=environment | {"PYTHONPATH": "app"}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        said = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert said
        yield said[1]
    finally:
        process.terminate()
        process.communicate(timeout=10)
