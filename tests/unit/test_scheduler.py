"""The scheduler with real processes: once at a time, once after a pause, within a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from pgstack.live.probes import local
from pgstack.live.probes import schedule as probe
from pgstack.live.probes.schedule import Record
from pgstack.planning.background import VARIABLE
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan
from pgstack.targets import orphans, programs
from pgstack.targets.schedule import process, status
from pgstack.targets.schedule import scheduler as scheduling
from pgstack.targets.schedule.scheduler import Scheduler

LONG_AGO = datetime.now(UTC) - timedelta(days=40)
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN); "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print('it hangs', flush=True); time.sleep(60)"
)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What runs under which name."""
    named = {"x": ["true"]}
    monkeypatch.setattr(process, "_words", lambda _, name: named[name])
    monkeypatch.setattr(local, "busy", lambda _: False)
    return named


def planned(root: Path, schedule: str = "x=monthly 1 00:00") -> Plan:
    inputs = {"schedule": schedule, "dir": root}
    stack = plan(
        StackConfig.model_validate(inputs), Hardware(cores=2, memory=4 * 1024**3, debian=13)
    )
    for place in (stack.paths.log, stack.paths.schedule):
        Path(place).mkdir(exist_ok=True)
    paths = stack.paths.model_copy(update={"app": str(root)})
    return stack.model_copy(update={"paths": paths})


def note(stack: Plan, **known: object) -> None:
    record = Record.model_validate({"cron": "0 0 1 * *", "since": LONG_AGO, **known})
    probe.file(stack).write_bytes(probe.RECORDS.dump_json({"x": record}))


def until(scheduler: Scheduler, condition: Callable[[Record], bool], seconds: float = 20) -> Record:
    """Look until it holds for the record of x."""
    deadline = time.monotonic() + seconds
    while not condition(record := probe.records(scheduler.plan)["x"]):
        assert time.monotonic() < deadline, record
        time.sleep(0.05)
        scheduler.look()
    return record


def ended(record: Record) -> bool:
    return record.ended is not None


def begins(stack: Plan) -> int:
    return process.log(stack, "x").read_text().count("x begins")


def test_what_was_missed_is_made_up_for_once(
    tmp_path: Path, commands: dict[str, list[str]]
) -> None:
    stack = planned(tmp_path, "x=every 1m")
    note(stack, cron="*/1 * * * *")
    scheduler = Scheduler(stack)
    scheduler.look()
    record = until(scheduler, ended)
    assert (record.exit, record.failed, record.succeeded) == (0, False, record.begun)
    for _ in range(5):
        scheduler.look()
    assert begins(stack) in (1, 2)  # 2 when a minute has just come
    assert next(status.entries(stack))[1] == "WAITING"


def test_a_new_entry_waits_for_its_time(tmp_path: Path, commands: dict[str, list[str]]) -> None:
    stack = planned(tmp_path)
    Scheduler(stack).look()
    assert not process.log(stack, "x").exists()
    [(name, state, trouble, told)] = status.entries(stack)
    assert (name, state, trouble) == ("schedule-x", "WAITING", "")
    assert told.startswith("has not run yet; next ")


def test_none_begins_while_it_runs_or_a_command_works(
    tmp_path: Path, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = planned(tmp_path)
    note(stack)
    commands["x"] = ["sleep", "60"]
    scheduler = Scheduler(stack)
    monkeypatch.setattr(local, "busy", lambda _: True)
    scheduler.look()
    assert probe.records(stack)["x"].begun is None
    monkeypatch.setattr(local, "busy", lambda _: False)
    scheduler.look()
    first = probe.records(stack)["x"].process
    scheduler._records["x"] = scheduler._records["x"].model_copy(update={"since": LONG_AGO})
    for _ in range(3):
        scheduler.look()
    assert (begins(stack), probe.records(stack)["x"].process) == (1, first)
    assert next(status.entries(stack))[1] == "RUNNING"
    scheduler.end()
    assert (probe.records(stack)["x"].cut, alive(first)) == ("stopped", False)


def test_one_that_takes_too_long_is_killed_with_its_children(
    tmp_path: Path, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = planned(tmp_path, "x:1s=monthly 1 00:00")
    note(stack)
    monkeypatch.setattr(process, "KILL_SECONDS", 0.5)
    commands["x"] = [sys.executable, "-c", STUBBORN]
    scheduler = Scheduler(stack)
    scheduler.look()
    group = probe.records(stack)["x"].process
    record = until(scheduler, ended)
    assert (record.exit, record.cut, record.failed) == (-signal.SIGKILL, "limit", True)
    assert gone(group)
    [(_, state, trouble, _)] = status.entries(stack)
    assert state == "FAILED"
    assert trouble.startswith("was ended after its limit of 1 s, which x:2h=… in STACK_SCHEDULE")
    assert trouble.partition("where it says: ")[2].startswith("it hangs; next ")


def test_what_it_leaves_behind_ends_with_it(tmp_path: Path, commands: dict[str, list[str]]) -> None:
    stack = planned(tmp_path)
    note(stack)
    commands["x"] = ["sh", "-c", "sleep 60 & exit 0"]
    scheduler = Scheduler(stack)
    scheduler.look()
    group = scheduler._running["x"].pid
    assert until(scheduler, ended).exit == 0
    assert gone(group)


def test_a_status_is_told(tmp_path: Path, commands: dict[str, list[str]]) -> None:
    stack = planned(tmp_path)
    note(stack, succeeded=LONG_AGO)
    commands["x"] = ["sh", "-c", "echo no such table; exit 3"]
    scheduler = Scheduler(stack)
    scheduler.look()
    assert until(scheduler, ended).exit == 3
    [(_, state, trouble, _)] = status.entries(stack)
    assert (state, "ended with 3, " in trouble) == ("FAILED", True)
    assert (
        f"last success: {probe.moment(LONG_AGO)}; see {stack.paths.log}/schedule-x.log" in trouble
    )
    assert "where it says: no such table; next " in trouble


def test_an_entry_that_is_gone_is_ended_and_forgotten(
    tmp_path: Path, commands: dict[str, list[str]]
) -> None:
    stack = planned(tmp_path)
    note(stack)
    commands["x"] = ["sleep", "60"]
    scheduler = Scheduler(stack)
    scheduler.look()
    group = probe.records(stack)["x"].process
    scheduler.plan = planned(tmp_path, "")
    deadline = time.monotonic() + 10
    while probe.records(stack):
        assert time.monotonic() < deadline
        scheduler.look()
        time.sleep(0.05)
    assert gone(group)


def test_what_a_killed_scheduler_left_is_ended(
    tmp_path: Path, commands: dict[str, list[str]]
) -> None:
    stack = planned(tmp_path)
    mine = {VARIABLE: "x", orphans.MARK: programs.plan_file(stack)}
    with subprocess.Popen(
        ["sleep", "60"], env={**os.environ, **mine}, start_new_session=True
    ) as left:
        note(stack, since=datetime.now(UTC), process=left.pid, begun=LONG_AGO)
        with subprocess.Popen(["sleep", "60"]) as other:
            try:
                Scheduler(stack).look()
                assert (alive(left.pid), other.poll()) == (False, None)
            finally:
                other.kill()
                left.kill()
    record = probe.records(stack)["x"]
    assert (record.cut, record.failed) == ("stopped", True)


def test_a_container_that_ends_lets_runs_end_and_begins_the_rest_again(
    tmp_path: Path, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = planned(tmp_path, "x=monthly 1 00:00; y=monthly 1 00:00")
    known = Record.model_validate({"cron": "0 0 1 * *", "since": LONG_AGO})
    probe.file(stack).write_bytes(probe.RECORDS.dump_json({"x": known, "y": known}))
    commands |= {"x": ["sleep", "0.3"], "y": ["sleep", "60"]}
    monkeypatch.setattr(scheduling, "FINISH_SECONDS", 3)
    scheduler = Scheduler(stack)
    scheduler._in_container = True
    scheduler.look()
    scheduler.end()
    ended, cut = (probe.records(stack)[name] for name in ("x", "y"))
    assert (ended.exit, ended.since) == (0, ended.begun)
    assert (cut.cut, cut.since, cut.failed) == ("stopped", LONG_AGO, True)
    following = Scheduler(stack)
    following.look()
    assert list(following._running) == ["y"]
    following.end()


def test_one_that_is_late_is_told(tmp_path: Path) -> None:
    stack = planned(tmp_path)
    [(_, state, trouble, _)] = status.entries(stack)
    assert (state, trouble.startswith("the scheduler has not seen it yet")) == ("OVERDUE", True)
    note(stack)
    [(_, state, trouble, _)] = status.entries(stack)
    assert (state, "it was due at " in trouble) == ("OVERDUE", True)


def test_no_link_in_the_log_is_followed(tmp_path: Path, commands: dict[str, list[str]]) -> None:
    stack = planned(tmp_path)
    note(stack)
    target = tmp_path / "precious"
    target.write_text("kept")
    process.log(stack, "x").symlink_to(target)
    scheduler = Scheduler(stack)
    scheduler.look()
    assert target.read_text() == "kept"
    assert probe.records(stack)["x"].exit == 127


def gone(group: int, seconds: float = 5) -> bool:
    """Whether it ends: what was killed is there until it is its turn to die."""
    deadline = time.monotonic() + seconds
    while alive(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(group)


def alive(group: int) -> bool:
    for member in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(member.pid) == group and member.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
