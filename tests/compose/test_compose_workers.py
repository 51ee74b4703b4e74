"""Workers in containers: an account and a pool of their own, and changes that let them finish."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from compose_stack import CHECKOUT, ComposeStack, copy_checkout

from fixtures import steady_load
from fixtures.task_notes import require_each_task_once

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(900)]

TASKS = "python task_worker.py"
TWO = {"STACK_WORKERS": f"tick:2:69m={TASKS}", "STACK_LANES": "reads=/db:1x4:pool 2"}
"""with a lane, which has half of the load of other tests here"""
MEDIA = "/var/lib/stack-media"
LOG_IN = """
import psycopg2, sys
pooler, postgres = ("/run/stack/pooler/current", 6432), ("/run/stack/postgres", 5432)
for (host, port), role, database in (
    (pooler, "app", "app"),
    (pooler, "app", "app_background"),
    *((postgres, role, "app") for role in ("app", "app_owner", "app_worker", "postgres")),
):
    try:
        psycopg2.connect(host=host, port=port, user=role, dbname=database)
        print(port, role, database, "in")
    except psycopg2.Error as error:
        print(port, role, database, "refused")
"""


@pytest.fixture(scope="module")
def working(
    compose_stack: ComposeStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeStack]:
    """The stack with two processes of a worker, from a checkout of its own; afterwards as it
    was."""
    checkout = tmp_path_factory.mktemp("working")
    copy_checkout(checkout)
    shutil.copy(CHECKOUT / "tests/fixtures/task_worker.py", checkout / "app")
    stack = replace(compose_stack, checkout=checkout, inputs=TWO)
    stack.up("--build")
    stack.run(
        "/usr/bin/python3", "-B", "tools/background_containers.py", "limit"
    )  # as `make up` does
    yield stack
    compose_stack.up("--build", "--force-recreate")


def make(stack: ComposeStack, goal: str) -> subprocess.CompletedProcess[str]:
    words = ["tools/compose_reload.py"] if goal == "reload" else ["tools/compose_release.py", goal]
    return stack.run("/usr/bin/python3", "-B", *words, check=False)


def notes(stack: ComposeStack) -> dict[str, list[str]]:
    """What each process has noted so far."""
    words = ("sh", "-c", f"cd {MEDIA} && grep -H '' worker-*")
    told: dict[str, list[str]] = {}
    for line in stack.execute("web", *words).stdout.splitlines():
        name, _, text = line.partition(":")
        told.setdefault(name, []).append(text)
    return told


def at_work(stack: ComposeStack, processes: int = 2) -> set[str]:
    """Names of the notes of those that work now, each of which has begun a task."""
    deadline = time.monotonic() + 60
    while True:
        own = stack.container("background")[:12]
        names = {name for name, lines in notes(stack).items() if own in name and "begun 1" in lines}
        if len(names) == processes:
            return names
        assert time.monotonic() < deadline, names


def test_they_run_as_an_account_of_their_own_on_a_pool_of_their_own(working: ComposeStack) -> None:
    now = at_work(working)
    first, second = (lines[0].split() for name, lines in notes(working).items() if name in now)
    assert first[1:3] == second[1:3] == ["app_background", "5min"]
    assert first[3].endswith("/app_background")
    assert working.execute("background", "id", "-un").stdout.strip() == "worker"
    for service, logins in {
        "web": {"6432 app app"},
        "background": {"6432 app app_background", "5432 app_worker app"},
    }.items():
        lines = working.execute(service, "python", "-c", LOG_IN).stdout.splitlines()
        assert len(lines) == 6
        assert {line.removesuffix(" in") for line in lines if line.endswith(" in")} == logins
    assert working.verifies()


def test_a_lane_has_processes_and_a_pool_of_its_own(working: ComposeStack) -> None:
    assert working.get("/db")[0] == 200
    words = ("run", "--rm", "--no-deps", "--no-TTY", "manage", "stack_verify")
    told = " ".join(working.compose(*words).stdout.split())
    assert "+ 1 x 4 of reads = " in told
    assert "reads: 4 connections, 2 backends" in told


def test_they_have_the_memory_that_is_planned_and_no_more(working: ComposeStack) -> None:
    now = at_work(working)
    plan = json.loads(working.execute("web", "cat", "/etc/stack/plan.json").stdout)
    limit = 2 * plan["workers"][0]["memory"] + 128 * 1024**2
    assert working.inspect("background")["HostConfig"]["Memory"] == limit
    greedy = working.execute("background", "python", "-c", f"b'x' * {limit}", check=False)
    assert greedy.returncode == 137, "the kernel ended it"
    assert at_work(working) == now
    assert working.get("/db")[0] == 200


def status(stack: ComposeStack) -> subprocess.CompletedProcess[str]:
    return stack.run("/usr/bin/python3", "-B", "tools/compose_status.py", check=False)


NOT_RUNNING = re.compile("^background +running +worker-tick-", re.MULTILINE)


def test_one_that_does_not_run_is_told(working: ComposeStack) -> None:
    working.execute("web", "touch", f"{MEDIA}/crash")
    try:
        working.execute("background", "python", "-c", KILL)
        deadline = time.monotonic() + 60
        while not NOT_RUNNING.search((told := status(working)).stdout):
            assert time.monotonic() < deadline, told
        assert told.returncode == 1
        assert not working.verifies()
        assert working.get("/")[0] == 200
    finally:
        working.execute("web", "rm", f"{MEDIA}/crash")
    working.compose("up", "--detach", "--no-deps", "--force-recreate", "background")


KILL = """
import os, signal
for pid in {*filter(str.isdigit, os.listdir("/proc"))} - {str(os.getpid())}:
    with open(f"/proc/{pid}/cmdline") as file:
        if "task_worker" in file.read():
            os.kill(int(pid), signal.SIGKILL)
"""


def change_all(stack: ComposeStack) -> None:
    """A release, one that fails, a reload that cannot be, one with other workers and no lane, and
    back."""
    before = at_work(stack)
    urls = stack.checkout / "app/config/urls.py"
    text = urls.read_text()
    urls.write_text(f"{text}\nraise OSError('x')\n")
    failed = make(stack, "release")
    urls.write_text(text)
    assert failed.returncode == 2
    assert at_work(stack) == before
    with (stack.checkout / "app/task_worker.py").open("a") as program:
        program.write("# changed\n")
    done = make(stack, "release")
    assert done.returncode == 0, done.stderr
    require_each_task_once(notes(stack), before)
    before = at_work(stack)
    wrong = make(stack.with_inputs({"STACK_WORKERS": "x:60m=nowhere"}), "reload")
    assert (wrong.returncode, wrong.stderr.splitlines()[0][:60]) == (
        2,
        "reload: STACK_WORKERS: x: there is no program nowhere in the",
    )
    assert at_work(stack) == before
    done = make(stack.with_inputs({"STACK_WORKERS": f"tock={TASKS}", "STACK_LANES": ""}), "reload")
    assert done.returncode == 0, done.stderr
    require_each_task_once(notes(stack), before)
    at_work(stack, 1)
    done = make(stack, "rollback")
    assert done.returncode == 0, done.stderr


def test_no_change_loses_a_request_or_a_task(working: ComposeStack) -> None:
    steady_load.under_load(working.url, "localhost", lambda: change_all(working))
    done = make(working, "reload")
    assert done.returncode == 0, done.stderr
    assert working.verifies()


def test_stopping_lets_them_finish(working: ComposeStack) -> None:
    before = at_work(working)
    working.compose("stop", "background")
    require_each_task_once(notes(working), before)
    working.compose("start", "background")
