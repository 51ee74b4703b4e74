"""A log that has grown is begun anew while requests are answered, and none is lost."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures import steady_load
from fixtures.local_stack import LocalStack
from pgstack.planning import layout

FILLER = json.dumps({"request": "filler"}) + "\n"


def test_no_request_is_lost_while_a_log_is_begun_anew(stack: LocalStack) -> None:
    log = stack.directory / "log/apache-access.log"
    copy = Path(f"{log}.1")

    def rotated() -> None:
        for _ in range(2):
            with log.open("a") as file:
                file.write(FILLER * (layout.LOG_BYTES // len(FILLER) + 1))
            stack.wait_until(lambda: log.stat().st_size < layout.LOG_BYTES, seconds=10)

    steady_load.under_load(f"http://127.0.0.1:{stack.port}", "localhost", rotated)
    for path in (log, copy):
        requests = [json.loads(line)["request"] for line in path.read_text().splitlines()]
        assert any(request != "filler" for request in requests), path
