"""An Apache takes over from one on which visitors wait to be accepted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from deployed_host import deployed_host

from fixtures import crowd
from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

QUEUE, SLOW_SECONDS = 50, 3
"""clients more than workers, and the time in which all of these are taken"""


def test_who_waits_to_be_accepted_is_answered(tmp_path: Path) -> None:
    with deployed_host(NEWEST_SUITE, tmp_path) as host:
        plan = json.loads(host.run("cat", "/etc/stack/plan.json").stdout)
        port = host.port(80)

        def replace() -> None:
            time.sleep(SLOW_SECONDS)
            assert "took over" in host.run("stackctl", "restart", "apache").stdout

        with crowd.crowded(port, plan["apache"]["max_request_workers"] + QUEUE):
            answers, longest = crowd.visited(port, host.name, replace)
    assert longest > SLOW_SECONDS, "there was a queue"
    assert list(answers) == [b"HTTP/1.1 200 OK"], answers
