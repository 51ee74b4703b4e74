"""Workers on the local stack: a pool of their own, releases that let them finish, crashes that are
told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from fixtures import pooler_console, steady_load
from fixtures.local_stack import CHECKOUT, LocalStack, owner

TASKS = f"python {CHECKOUT}/tests/fixtures/task_worker.py"
TWO = f"tick:2:69m={TASKS}"
SLOW = pytest.mark.slow


def notes(stack: LocalStack) -> dict[int, list[str]]:
    """What each process has noted, by its number."""
    return {
        int(path.name.removeprefix("worker-")): path.read_text().splitlines()
        for path in (stack.directory / "media").glob("worker-*")
    }


def at_work(stack: LocalStack) -> dict[str, int]:
    """Process number of each worker that has begun a task and not yet ended, by its program."""
    processes = {}
    for process in psutil.process_iter(["cmdline", "environ"]):
        environment = process.info["environ"] or {}
        if environment.get("STACK_PLAN") == f"{stack.directory}/conf/plan.json" and (
            name := environment.get("SUPERVISOR_PROCESS_NAME", "")
        ).startswith("worker-"):
            processes[name] = process.pid
    told = notes(stack)
    begun = {name: pid for name, pid in processes.items() if "begun 1" in told.get(pid, ())}
    return begun if begun.keys() == processes.keys() else {}


def unfinished(lines: list[str]) -> set[str]:
    """Tasks that were begun and are not done."""
    begun, done = (
        {line.split()[1] for line in lines if line.startswith(word)} for word in ("begun", "done")
    )
    return begun - done


def require_finished(stack: LocalStack, processes: dict[str, int]) -> None:
    """They ended by themselves, and no task of theirs was cut off."""
    told = notes(stack)
    for pid in processes.values():
        assert (told[pid][-1], unfinished(told[pid])) == ("ends", set())


def status(stack: LocalStack) -> tuple[int, dict[str, str]]:
    done = stack.manage("stack_local", "status")
    rows = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    return done.returncode, {row[0]: row[1] for row in rows}


@pytest.fixture(scope="module")
def working(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack with two processes of a worker; at the end they have finished what they did."""
    done = stack.manage("stack_local", "up", STACK_WORKERS=TWO)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "workers   worker-tick-1, worker-tick-2\n" in done.stdout
    stack.wait_until(lambda: len(at_work(stack)) == 2)
    yield stack
    last = at_work(stack)
    assert stack.manage("stack_local", "up").returncode == 0
    require_finished(stack, last)
    assert not at_work(stack)


def test_they_run_on_a_pool_of_their_own(working: LocalStack) -> None:
    code, servers = status(working)
    assert code == 0
    assert {
        name: servers.get(name) for name in ("worker-tick-1", "worker-tick-2")
    } == dict.fromkeys(("worker-tick-1", "worker-tick-2"), "RUNNING")
    for pid in at_work(working).values():
        _, database, timeout, url = notes(working)[pid][0].split()
        assert (database, timeout) == ("app_background", "5min")
        assert url.endswith("/app_background")
    pools = {row["database"]: row for row in pooler_console.ask(working, "SHOW POOLS")}
    assert pools["app_background"]["cl_active"] >= 1
    databases = {row["name"]: row for row in pooler_console.ask(working, "SHOW DATABASES")}
    row = databases["app_background"]
    sizes = row["pool_size"], row.get("reserve_pool_size", row.get("reserve_pool"))
    assert (*map(int, sizes), int(row["max_connections"])) == (2, 1, 3)
    done = working.manage("stack_verify")
    assert done.returncode == 0, done.stdout
    assert "2 x tick run" in done.stdout


def test_sessions_past_the_pooler_leave_pages_their_backends(working: LocalStack) -> None:
    """A worker that opens as many as it can gets those that are planned."""
    plan = json.loads((working.directory / "conf/plan.json").read_text())["postgres"]
    words = ["psql", "-XqAt", "-h", plan["host"], "-U", "app_worker", "-d", "app"]
    command = owner(working.directory, [*words, "-c", "SELECT pg_sleep(600)"])
    asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_worker'"
    sessions = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd="/")
        for _ in range(plan["max_connections"])
    ]
    try:
        refused = plan["max_connections"] - plan["direct_connections"]
        working.wait_until(lambda: sum(s.poll() is not None for s in sessions) == refused)
        assert working.sql(asked) == str(plan["direct_connections"]) == "8"
        assert working.answers()
    finally:
        for session in sessions:
            session.kill()
    told = {session.communicate()[1].strip().rpartition(":  ")[2] for session in sessions}
    assert told == {"", 'too many connections for role "app_worker"'}


def test_verify_sees_one_that_is_not_as_planned(working: LocalStack) -> None:
    stop = [str(working.supervisorctl), "-c", str(working.directory / "supervisord.conf")]
    subprocess.run([*stop, "stop", "worker-tick-2"], check=True, capture_output=True)
    try:
        done = working.manage("stack_verify")
        assert done.returncode == 1
        assert "1 processes of tick, planned 2" in done.stdout
    finally:
        assert working.manage("stack_local", "up", STACK_WORKERS=TWO).returncode == 0
        working.wait_until(lambda: len(at_work(working)) == 2)


@SLOW
def test_a_release_lets_them_finish(working: LocalStack) -> None:
    before = at_work(working)
    done = steady_load.under_load(
        working.url, "localhost", lambda: working.manage("stack_local", "release")
    )
    assert done.returncode == 0, done.stderr
    require_finished(working, before)
    working.wait_until(lambda: len(at_work(working)) == 2)
    assert not set(at_work(working).values()) & set(before.values())


def is_told(stack: LocalStack) -> bool:
    """Whether `make status` says why the second one does not stay, and of the first that it runs.
    While it is tried again it counts as running for a moment."""
    code, servers = status(stack)
    return (code, servers["worker-tick-1"]) == (1, "RUNNING") and (
        "there is a file named crash" in servers["worker-tick-2"]
    )


def test_one_that_ends_by_itself_is_started_again_and_told(working: LocalStack) -> None:
    before = at_work(working)
    crash = working.directory / "media/crash"
    os.kill(before["worker-tick-1"], signal.SIGKILL)
    log = working.directory / "log/guard.log"
    told = "worker-tick-1 ended by itself and was started again"
    working.wait_until(lambda: told in log.read_text())
    working.wait_until(lambda: len(at_work(working)) == 2)
    crash.touch()
    try:
        os.kill(at_work(working)["worker-tick-2"], signal.SIGKILL)
        working.wait_until(lambda: is_told(working))
        assert working.answers()
    finally:
        crash.unlink()
    working.wait_until(lambda: len(at_work(working)) == 2)


@pytest.mark.parametrize(
    ("workers", "reason"),
    [
        ("x=manage.py nope", "STACK_WORKERS: x: the project has no management command nope."),
        ("x=nowhere --fast", "STACK_WORKERS: x: there is no program nowhere in the project's"),
        ("x=manage.py", "STACK_WORKERS: x: manage.py needs a command"),
    ],
)
def test_a_command_that_is_not_there_is_refused(
    working: LocalStack, workers: str, reason: str
) -> None:
    before, plan = at_work(working), (working.directory / "conf/plan.json").read_text()
    for command in ("reload", "up"):
        _require_refused(working, command, workers, reason)
        assert at_work(working) == before
        assert (working.directory / "conf/plan.json").read_text() == plan


def _require_refused(stack: LocalStack, command: str, workers: str, reason: str) -> None:
    done = stack.manage("stack_local", command, STACK_WORKERS=workers)
    assert done.returncode == 2
    assert done.stderr.startswith(reason)
    assert len(done.stderr.splitlines()) == 1


@SLOW
def test_a_reload_starts_those_that_are_wanted(working: LocalStack) -> None:
    before = at_work(working)
    wanted = f"tick:80m={TASKS}; tock:2:INT:5s:80m={TASKS}"
    try:
        done = working.manage("stack_local", "reload", STACK_WORKERS=wanted)
        assert done.returncode == 0, done.stderr
        require_finished(working, before)
        working.wait_until(lambda: len(at_work(working)) == 3)
        assert set(at_work(working)) == {"worker-tick-1", "worker-tock-1", "worker-tock-2"}
        assert working.manage("stack_verify").returncode == 0
        last = at_work(working)
    finally:
        assert working.manage("stack_local", "reload", STACK_WORKERS=TWO).returncode == 0
    require_finished(working, last)
    working.wait_until(lambda: set(at_work(working)) == set(before))


@SLOW
def test_those_that_a_killed_release_has_ended_are_started_again(working: LocalStack) -> None:
    before = at_work(working)
    release = subprocess.Popen(
        working.command("stack_local", "release"),
        env=working.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with release:
        assert release.stdout
        while "ended" not in (line := release.stdout.readline()):
            assert line
        release.kill()
    log = working.directory / "log/guard.log"
    working.wait_until(
        lambda: "a command was killed that had ended worker-tick-1" in log.read_text()
    )
    require_finished(working, before)
    working.wait_until(lambda: len(at_work(working)) == 2)
    assert working.manage("stack_local", "release").returncode == 0
    working.wait_until(lambda: len(at_work(working)) == 2)


@SLOW
def test_they_end_with_a_supervisor_that_was_killed(working: LocalStack) -> None:
    before = at_work(working)
    os.kill(working.servers()["supervisord"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(map(psutil.pid_exists, before.values())):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    require_finished(working, before)
    assert working.manage("stack_local", "up", STACK_WORKERS=TWO).returncode == 0
    working.wait_until(lambda: len(at_work(working)) == 2)
