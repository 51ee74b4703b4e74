"""The health check of the web container, with a server that answers as it is told."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fixtures.local_stack import CHECKOUT


class Answers(BaseHTTPRequestHandler):
    """Statuses by path, and the paths that were asked for."""

    statuses: dict[str, int] = {}
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.statuses[self.path])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    Answers.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


def check(directory: Path, port: int, **statuses: int) -> str:
    """What the check has against it; empty when it is well."""
    Answers.statuses = {"/readyz": statuses["ready"], "/": statuses["front"]}
    (directory / "plan.json").write_text(json.dumps({"site": {"hosts": ["localhost"]}}))
    (directory / "instance").write_text(str(port))
    environment = {
        "STACK_PLAN": str(directory / "plan.json"),
        "STACK_RUN_APACHE": str(directory),
    }
    command = ["/usr/bin/python3", "-IS", str(CHECKOUT / "apache/healthcheck.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr.strip()


@pytest.mark.parametrize("front", [200, 302, 404, 403])
def test_a_front_page_that_is_no_error_of_the_server_is_well_and_asked_for_once(
    tmp_path: Path, server: int, front: int
) -> None:
    assert [check(tmp_path, server, ready=200, front=front) for _ in range(3)] == ["", "", ""]
    assert Answers.asked == ["/readyz", "/", "/readyz", "/readyz"]
    assert check(tmp_path, server, ready=503, front=front) == "/readyz: status 503"


def test_a_front_page_that_raises_is_not_well(tmp_path: Path, server: int) -> None:
    assert check(tmp_path, server, ready=200, front=500) == "/: status 500"
    assert check(tmp_path, server, ready=200, front=500) == "/: status 500"
    assert check(tmp_path, server, ready=200, front=200) == ""
