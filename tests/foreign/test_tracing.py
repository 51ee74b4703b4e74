"""Spans of a project's requests and statements reach a collector, with the number that the logs
have."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from fixtures import foreign
from fixtures.local_stack import CHECKOUT, LocalStack, started

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

PACKAGES = "\n".join(
    tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "otel"
    ]
)
DECODE = """
import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
print(json.dumps(MessageToDict(ExportTraceServiceRequest.FromString(sys.stdin.buffer.read()))))
"""
"""protobuf to JSON, by the libraries of the project's environment"""


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.bodies: list[bytes] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Receiver(BaseHTTPRequestHandler):
    """One batch."""

    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def stack(collector: Collector) -> Iterator[LocalStack]:
    """Serves it, with the collector in its variables."""
    with tempfile.TemporaryDirectory(prefix="project-", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        project = foreign.make(place / "shop")
        with (project / "requirements.txt").open("a") as file:
            file.write(PACKAGES)
        address = f"http://127.0.0.1:{collector.server_address[1]}"
        variables = f"OTEL_EXPORTER_OTLP_ENDPOINT={address}\nOTEL_BSP_SCHEDULE_DELAY=100\n"
        (place / "env").write_text(variables)
        with started(STACK_PROJECT=str(project), STACK_ENVIRONMENT=str(place / "env")) as running:
            yield running


def spans(collector: Collector, stack: LocalStack) -> list[dict[str, Any]]:
    """All that have come, attributes by name."""
    python = json.loads((stack.directory / "conf/plan.json").read_text())["paths"]["venv"]
    spans = []
    for body in list(collector.bodies):
        command = [f"{python}/bin/python", "-c", DECODE]
        done = subprocess.run(command, input=body, capture_output=True, check=True)
        for resource in json.loads(done.stdout)["resourceSpans"]:
            spans += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
    for span in spans:
        values = {each["key"]: each["value"] for each in span.get("attributes", [])}
        span["attributes"] = {name: next(iter(value.values())) for name, value in values.items()}
    return spans


def test_request_and_its_statements_are_one_trace_with_the_number_of_the_logs(
    stack: LocalStack, collector: Collector
) -> None:
    forged = {"traceparent": "00-11111111111111111111111111111111-2222222222222222-01"}
    answer = requests.post(f"{stack.url}/note?text=secret", headers=forged, timeout=10)
    assert answer.status_code == 200, stack.logs()
    stack.wait_until(lambda: len(spans(collector, stack)) >= 3)
    (page,) = [span for span in spans(collector, stack) if span["kind"] == "SPAN_KIND_SERVER"]
    statements = [span for span in spans(collector, stack) if span is not page]
    log = (stack.directory / "log/apache-access.log").read_text().splitlines()
    (line,) = [each for each in map(json.loads, log) if "/note" in each["request"]]
    assert page["name"] == "POST note"
    assert page["attributes"]["stack.request_id"] == line["id"]
    assert "parentSpanId" not in page
    own = [span for span in statements if span.get("parentSpanId") == page["spanId"]]
    assert [span["name"] for span in own] == ["INSERT", "SELECT"]
    assert not any("secret" in json.dumps(span["attributes"]) for span in own)


def test_a_collector_that_is_away_costs_no_page(stack: LocalStack, collector: Collector) -> None:
    collector.shutdown()
    collector.server_close()
    answers = [requests.get(f"{stack.url}/naive", timeout=5) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}


def test_libraries_that_are_missing_are_named(stack: LocalStack) -> None:
    with tempfile.TemporaryDirectory(prefix="project-", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "env").write_text("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1\n")
        project = foreign.make(place / "shop")
        inputs = {"STACK_PROJECT": str(project), "STACK_ENVIRONMENT": str(place / "env")}
        done = stack.manage("stack_local", "up", **inputs)
        assert done.returncode == 0, done.stderr
        assert requests.get(f"{stack.url}/naive", timeout=5).status_code == 200
    told = (stack.directory / "log/apache-error.log").read_text()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set, but opentelemetry is not installed" in told
