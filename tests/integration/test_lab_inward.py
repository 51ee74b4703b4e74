"""What the load lab reads of a stack's servers is where the requests were between two looks."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import requests

from fixtures.local_stack import CHECKOUT, LocalStack, owner

pytestmark = pytest.mark.integration
REQUESTS = 30
LOOKS = """
import sys
from pathlib import Path
from loadtest.lab import inward
from pgstack.planning.plan import Plan
plan = Plan.model_validate_json(Path(sys.argv[1]).read_bytes())
first = inward.look(plan)
print("looked", flush=True)
sys.stdin.readline()
spent = inward.between(first, inward.look(plan), plan)
print(spent.model_dump_json() if spent else "null")
"""


def test_the_lab_reads_where_requests_were(stack: LocalStack) -> None:
    stack.sql("SELECT stack.pg_stat_statements_reset()")
    plan = str(stack.directory / "conf/plan.json")
    command = owner(stack.directory, [sys.executable, "-c", LOOKS, plan])
    path = f"{CHECKOUT}:{CHECKOUT / 'app'}"
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    ) as looking:
        assert looking.stdout
        assert looking.stdout.readline() == "looked\n"
        begun = time.monotonic()
        for _ in range(REQUESTS):
            assert requests.get(f"{stack.url}/updates?n=5", timeout=30).status_code == 200
        each = (time.monotonic() - begun) / REQUESTS
        time.sleep(2)  # web processes write what they measured within a second
        said, _ = looking.communicate("\n")
    spent = json.loads(said)
    parts = [spent[name] for name in ("queue", "python", "pool_wait", "sql")]
    assert 0.05 * each < sum(parts) < 1.05 * each, spent
    assert spent["sql"] > 0
    assert spent["lent"] > 0
    assert 20e6 < spent["memory"] < 200e6
    assert any("UPDATE" in row["text"] for row in spent["statements"])
