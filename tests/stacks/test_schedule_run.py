"""STACK_SCHEDULE on the local stack: over the pool of workers, made up for once, told by status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fixtures import pooler_console
from fixtures.local_stack import CHECKOUT, LocalStack

TASK = f"monthly 1 00:00 python {CHECKOUT}/tests/fixtures/scheduled_task.py"
SCHEDULE = (
    f"check:70MB=daily 04:00; good:70MB={TASK} good; bad:70MB={TASK} bad; hang:8s:70MB={TASK} hang"
)
LONG_AGO = "2026-01-01T00:00:00Z"


def records(stack: LocalStack) -> dict[str, dict[str, Any]]:
    runs: dict[str, dict[str, Any]] = json.loads(
        (stack.directory / "schedule/runs.json").read_text()
    )
    return runs


def notes(stack: LocalStack, kind: str) -> list[list[str]]:
    path = stack.directory / "media" / f"scheduled-{kind}"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def status(stack: LocalStack) -> tuple[int, dict[str, str]]:
    done = stack.manage("stack_local", "status")
    rows = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    return done.returncode, {row[0]: row[1] for row in rows}


@pytest.fixture(scope="module")
def scheduled(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack after a long time in which it was down and each entry's time came; with memory for
    two web processes beside them."""
    usual, stack = stack, replace(stack, inputs={"STACK_MEMORY": "1200m"})
    done = stack.manage("stack_local", "up", STACK_SCHEDULE=SCHEDULE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "schedule  check, good, bad, hang\n" in done.stdout
    stack.wait_until((stack.directory / "schedule/runs.json").exists)
    assert {record["begun"] for record in records(stack).values()} == {None}
    assert stack.manage("stack_local", "down").returncode == 0
    missed = {name: {**record, "since": LONG_AGO} for name, record in records(stack).items()}
    (stack.directory / "schedule/runs.json").write_text(json.dumps(missed))
    done = stack.manage("stack_local", "up", STACK_SCHEDULE=SCHEDULE)
    assert done.returncode == 0, done.stdout + done.stderr
    yield stack
    assert usual.manage("stack_local", "up").returncode == 0
    assert "schedule" not in status(stack)[1]


def test_what_runs_has_the_pool_of_workers(scheduled: LocalStack) -> None:
    scheduled.wait_until(lambda: bool(notes(scheduled, "hang")))
    rows = {row["database"]: row for row in pooler_console.ask(scheduled, "SHOW POOLS")}
    assert rows["app_background"]["cl_active"] >= 1
    done = scheduled.manage("stack_verify")
    assert done.returncode == 0, done.stdout
    assert "check daily 04:00, good monthly 1 00:00" in done.stdout
    assert "4 + 1 backends" in done.stdout
    for kind in ("good", "bad", "hang"):
        scheduled.wait_until(lambda kind=kind: len(notes(scheduled, kind)) == 1)
        assert notes(scheduled, kind)[0][1:] == ["app_background", "5min"]


def test_each_is_told_by_status_and_begun_once(scheduled: LocalStack) -> None:
    scheduled.wait_until(lambda: all(record["ended"] for record in records(scheduled).values()))
    code, rows = status(scheduled)
    assert code == 1
    assert rows["schedule"] == "RUNNING"
    for name in ("check", "good"):
        assert rows[f"schedule-{name}"].startswith("WAITING  ended with 0 after "), rows
    assert rows["schedule-bad"].startswith("FAILED  ended with 3, ")
    assert "last success: none; see " in rows["schedule-bad"]
    assert ", where it says: this is bad; next " in rows["schedule-bad"]
    assert "was ended after its limit of 8 s" in rows["schedule-hang"]
    assert records(scheduled)["hang"]["exit"] == -9
    for kind in ("good", "bad", "hang"):
        log = (scheduled.directory / f"log/schedule-{kind}.log").read_text()
        assert (log.count(f" {kind} begins as process "), len(notes(scheduled, kind))) == (1, 1)
        assert f"this is {kind}\n" in log


@pytest.mark.slow
def test_a_release_lets_it_run_on(scheduled: LocalStack) -> None:
    (scheduled.directory / "media/scheduled-hang").unlink()
    missed = {"hang": {**records(scheduled)["hang"], "since": LONG_AGO}}
    assert scheduled.manage("stack_local", "reload").returncode == 0
    assert "schedule" not in status(scheduled)[1]
    assert records(scheduled) == {}
    (scheduled.directory / "schedule/runs.json").write_text(json.dumps(missed))
    other = "other:70MB=weekly mon 04:00 manage.py check"
    wanted = f"good:70MB={TASK} good; hang:5m:70MB={TASK} hang; {other}"
    done = scheduled.manage("stack_local", "reload", STACK_SCHEDULE=wanted)
    assert done.returncode == 0, done.stderr
    assert "schedule  good, hang, other\n" in done.stdout
    scheduled.wait_until(lambda: bool(notes(scheduled, "hang")))
    running = records(scheduled)["hang"]["process"]
    done = scheduled.manage("stack_local", "release")
    assert done.returncode == 0, done.stderr
    assert scheduled.manage("stack_verify").returncode == 0
    assert records(scheduled)["hang"]["process"] == running
    assert [line[0] for line in notes(scheduled, "hang")] == [str(running)]
    assert records(scheduled).keys() == {"good", "hang", "other"}


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        (
            "x=hourly manage.py nope",
            "STACK_SCHEDULE: x: the project has no management command nope",
        ),
        ("nope=hourly", "STACK_SCHEDULE: nope: the project has no management command nope"),
        ("x=hourly nowhere --fast", "STACK_SCHEDULE: x: there is no program nowhere in the"),
        ("x=houly", "STACK_SCHEDULE=x=houly: x is to run 'houly'; expected every 5m, hourly"),
    ],
)
def test_what_cannot_run_is_refused(scheduled: LocalStack, schedule: str, reason: str) -> None:
    plan = (scheduled.directory / "conf/plan.json").read_text()
    done = scheduled.manage("stack_local", "reload", STACK_SCHEDULE=schedule)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(reason)
    assert (scheduled.directory / "conf/plan.json").read_text() == plan
