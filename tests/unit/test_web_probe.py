"""Asking the site: where Apache listens, under the site's name, past any proxy, and errors that
name the address."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pgstack.errors import ProbeError
from pgstack.live.probes import web
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.ports import free_port

APP = Path(__file__).resolve().parents[2] / "app"


class Echo(BaseHTTPRequestHandler):
    """Answers /host with the host that was asked for, and anything else with 503."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/host" else 503)
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def plan(port: int) -> Plan:
    config = StackConfig.model_validate(
        {"target": "compose", "address": "*", "port": port, "hosts": ".shop.invalid"}
    )
    return sizing.plan(config, Hardware(cores=2, memory=4 * 1024**3, debian=13, open_files=65536))


def test_the_site_is_asked_on_this_host_under_its_own_name(port: int) -> None:
    assert web.ask(plan(port), "host", seconds=5) == b"shop.invalid"


def test_a_proxy_of_the_environment_is_passed_by(port: int) -> None:
    code = (
        f"from pgstack.live.probes.web import fetch; print(fetch('http://127.0.0.1:{port}/host', "
        f"5).decode())"
    )
    environment = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    environment |= {"http_proxy": f"http://127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=APP,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"127.0.0.1:{port}\n", "")


def test_a_bad_status_is_named_with_its_address(port: int) -> None:
    with pytest.raises(ProbeError, match=rf"^http://127\.0\.0\.1:{port}/readyz: status 503$"):
        web.ask(plan(port), "readyz", seconds=5)


def test_silence_is_named_with_its_address() -> None:
    port = free_port()
    with pytest.raises(
        ProbeError, match=rf"^http://127\.0\.0\.1:{port}/readyz: Connection refused$"
    ):
        web.ask(plan(port), "readyz", seconds=5)
