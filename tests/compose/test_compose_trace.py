"""One request in the logs of the containers."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest
from compose_stack import ComposeStack

from pgstack.ops import trace

pytestmark = pytest.mark.compose

HELD = "BEGIN; UPDATE world SET randomnumber = 1; SELECT pg_sleep(3); ROLLBACK"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
UNTIL_SEEN_SECONDS = 15


def logged(stack: ComposeStack, mark: str) -> str:
    """Number of the request that has it in its address; the engine's log comes a moment later."""
    deadline = time.monotonic() + UNTIL_SEEN_SECONDS
    while True:
        log = stack.compose("logs", "--no-color", "--no-log-prefix", "web").stdout
        lines = [line for line in log.splitlines() if mark in line and '"id"' in line]
        if lines:
            return str(json.loads(lines[0].removeprefix(trace.ERASE))["id"])
        assert time.monotonic() < deadline, log[-2000:]
        time.sleep(0.2)


def test_one_number_leads_through_the_logs_of_containers(stack: ComposeStack) -> None:
    lock = threading.Thread(target=stack.sql, args=(HELD,))
    lock.start()
    deadline = time.monotonic() + UNTIL_SEEN_SECONDS
    while stack.sql(WAITS).strip() != "1":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert stack.get("/updates?n=1&mark=traced")[0] == 200
    lock.join()
    number = logged(stack, "mark=traced")
    said = stack.run("make", "--silent", "trace", "TARGET=compose", f"ID={number}").stdout
    assert re.search(r"  request  .*GET /updates\?n=1&mark=traced", said)
    assert re.search(r"  postgres  .*still waiting for ShareLock", said)
    assert f"/*id='{number}'*/" in said
    assert stack.run("make", "trace", "TARGET=compose", "ID=nobody", check=False).returncode
