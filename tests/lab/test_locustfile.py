"""`locust -f loadtest/locustfile.py` by itself, on the real stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fixtures.local_stack import CHECKOUT, LocalStack


def locust(directory: Path, *arguments: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STACK_")
    }
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(CHECKOUT / "loadtest/locustfile.py"),
        "--headless",
        "--json",
    ]
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        env=environment | {"STACK_DIR": str(directory), **inputs},
    )


def asked(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """(method, path) → figures; none of the requests failed."""
    assert done.returncode == 0, done.stderr
    rows = {(row["method"], row["name"]): row for row in json.loads(done.stdout)}
    assert {name: row["num_failures"] for name, row in rows.items() if row["num_failures"]} == {}
    return rows


def test_visitors_ask_for_the_page(stack: LocalStack) -> None:
    rows = asked(locust(stack.directory, "-u", "2", "-t", "2s", "Visitor", PAGE="/json"))
    assert list(rows) == [("GET", "/json")]


def test_people_browse(stack: LocalStack) -> None:
    rows = asked(locust(stack.directory, "-u", "8", "-r", "8", "-t", "5s", "Browsing"))
    assert set(rows) <= {("GET", "/"), ("GET", "/fortunes"), ("GET", "/ledger/")}
    assert sum(row["num_requests"] for row in rows.values()) >= 8


@pytest.mark.parametrize("users", ["Writing", "Mixed"])
def test_writers_keep_the_books_balanced(stack: LocalStack, users: str) -> None:
    rows = asked(locust(stack.directory, "-u", "8", "-r", "8", "-t", "6s", users))
    assert rows["POST", "/ledger/transfers"]["num_requests"] > 0
    assert (("GET", "/fortunes") in rows) == (users == "Mixed")
    with urllib.request.urlopen(f"{stack.url}/ledger/audit", timeout=10) as answer:
        assert json.load(answer)["balanced"] is True


def test_a_shape_says_how_many_users_there_are(stack: LocalStack) -> None:
    script = (
        "from loadtest import shapes; shapes.STAGES['waves'] = (shapes.Stage(2, 1), "
        "shapes.Stage(2, 3))"
    )
    rows = asked(shaped(stack.directory, script))
    assert rows["GET", "/json"]["num_requests"] > 10


def shaped(directory: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Locust with SHAPE=waves, whose stages `script` makes short."""
    program = f"{script}; from locust.main import main; main()"
    arguments = ["-f", str(CHECKOUT / "loadtest/locustfile.py"), "--headless", "--json", "Visitor"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STACK_")
    }
    environment |= {
        "STACK_DIR": str(directory),
        "SHAPE": "waves",
        "PAGE": "/json",
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'app'}",
    }
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )


def test_unknown_shape_is_refused_by_name(stack: LocalStack) -> None:
    done = locust(stack.directory, "-t", "1s", SHAPE="steep")
    assert done.returncode == 2
    assert "SHAPE=steep: no such shape. There are ladder, spike, waves." in done.stderr


def test_another_host_is_refused_before_the_first_request(stack: LocalStack) -> None:
    done = locust(stack.directory, "-u", "1", "-t", "1s", "--host", "http://192.0.2.1", "Visitor")
    assert done.returncode == 2
    assert "--host http://192.0.2.1: load goes to this host only." in done.stderr
