"""`make status` and `make verify` tell what does not answer, and the guard puts right what it
can."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests

from fixtures import pooler_console
from fixtures.killing import halt, killed, resume, stopped
from fixtures.local_stack import LocalStack

BOUND_SECONDS = 30
"""for `status`, Django's start included, whatever does not answer"""


@pytest.fixture
def running(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack, up before and after the test."""
    stack.wait_until(stack.answers)
    yield stack
    resume(stack.processes())
    stack.wait_until(stack.answers)


def status(stack: LocalStack) -> tuple[int, str]:
    began = time.monotonic()
    done = stack.manage("stack_local", "status")
    assert time.monotonic() - began < BOUND_SECONDS
    return done.returncode, done.stdout + done.stderr


def program(stack: LocalStack, name: str) -> psutil.Process:
    return psutil.Process(int(stack.pid(name)))


def guard_log(stack: LocalStack) -> str:
    return (stack.directory / "log/guard.log").read_text()


def error_log(stack: LocalStack) -> str:
    return (stack.directory / "log/apache-error.log").read_text()


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", ["pgbouncer", *(pytest.param(name, marks=SLOW) for name in ("postgres", "apache"))]
)
def test_a_server_that_is_stopped_is_told(running: LocalStack, name: str) -> None:
    with stopped(program(running, "guard"), program(running, name)):
        code, said = status(running)
        verified = running.manage("stack_verify")
    assert code == 1
    assert f"{name:<10}RUNNING  stopped by a signal" in said
    assert verified.returncode == 1
    assert "is stopped by a signal" in " ".join(verified.stdout.split())


def test_a_stopped_web_process_is_told_though_its_sibling_answers(running: LocalStack) -> None:
    with stopped(program(running, "guard"), running.daemons()[0]):
        code, said = status(running)
    assert code == 1
    assert "apache    RUNNING  stopped by a signal" in said


def test_a_stopped_supervisor_is_told_in_bounded_time(running: LocalStack) -> None:
    supervisor = psutil.Process(int((running.directory / "run/supervisord.pid").read_text()))
    guard_ = program(running, "guard")
    with stopped(guard_, supervisor):
        code, said = status(running)
    assert code == 2
    assert said.startswith("supervisord: no answer within 5 s. It is stopped or hangs")


def test_the_guard_lets_a_stopped_process_go_on(running: LocalStack) -> None:
    for process in (program(running, "pgbouncer"), running.daemons()[0]):
        halt(process)
        running.wait_until(lambda: process.status() != psutil.STATUS_STOPPED, seconds=15)  # noqa: B023 - at once
        # Whoever saw it first: the guard, or of web processes the one beside it.
        told = rf"process {process.pid} .*was stopped by a signal.*: it goes on"
        running.wait_until(lambda: bool(re.search(told, guard_log(running) + error_log(running))))  # noqa: B023 - at once
    assert running.answers()


@pytest.mark.parametrize("command", [pytest.param("PAUSE", marks=SLOW), "PAUSE app"])
def test_a_forgotten_pause_is_told_and_ended_before_a_request_fails(
    running: LocalStack, command: str
) -> None:
    with stopped(program(running, "guard")):
        pooler_console.command(running, command)
        code, said = status(running)
        assert code == 1
        assert "pgbouncer RUNNING  a query through it: no answer within 2 s" in said
    answer = requests.get(f"{running.url}/db", timeout=30)
    assert answer.status_code == 200
    assert (
        "PgBouncer was paused, and requests had waited for" in guard_log(running).splitlines()[-1]
    )


@pytest.mark.slow
def test_requests_that_a_killed_reload_held_back_go_on(running: LocalStack) -> None:
    lock_file = running.directory / "data/postmaster.pid"
    first = lock_file.read_text().splitlines()[0]
    answers: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            answers.append(requests.get(f"{running.url}/db", timeout=60).status_code)

    clients = [threading.Thread(target=load) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        killed(
            running,
            "reload",
            lambda: not lock_file.exists() or lock_file.read_text()[: len(first)] != first,
            STACK_POOL_SIZE="6",
        )
        began = time.monotonic()
        count = len(answers)
        running.wait_until(lambda: len(answers) > count + 5, seconds=20)
        took = time.monotonic() - began
    finally:
        over.set()
        for client in clients:
            client.join()
    assert took < 10
    assert set(answers) == {200}
    assert not (running.directory / "run/apache/drain").exists()
    assert (
        "a command was killed while it changed the stack; requests that it held back go on"
        in guard_log(running)
    )
    code, said = status(running)
    assert code == 1
    assert (
        "changes   reload was cut off: old and new are in force side by side. Run `make reload` "
        "again" in said
    )
    assert running.manage("stack_local", "release").stderr.startswith(
        "release: a reload was cut off before."
    )
    assert running.manage("stack_local", "reload").returncode == 0
    assert status(running)[0] == 0


@pytest.mark.slow
def test_a_release_that_was_killed_between_two_web_processes_is_told(running: LocalStack) -> None:
    old = {process.pid for process in running.daemons()}
    killed(
        running, "release", lambda: len(old & {process.pid for process in running.daemons()}) == 1
    )
    running.wait_until(running.answers)
    verified = running.manage("stack_verify")
    assert verified.returncode == 1
    assert "release was cut off" in " ".join(verified.stdout.split())
    code, said = status(running)
    assert (code, "changes   release was cut off" in said) == (1, True)
    assert running.manage("stack_local", "release").returncode == 0
    assert status(running)[0] == 0
    assert not old & {process.pid for process in running.daemons()}


def test_a_crash_loop_is_no_running_server(running: LocalStack) -> None:
    file = running.directory / "conf/pgbouncer/pgbouncer.ini"
    true = file.read_text()
    try:
        file.write_text("[pgbouncer]\nlisten_port = none\n")
        program(running, "pgbouncer").kill()
        time.sleep(4)
        code, said = status(running)
        tries = guard_free_log(running).count("spawned: 'pgbouncer'")
    finally:
        file.write_text(true)
    assert code == 1
    assert "pgbouncer BACKOFF" in said or "pgbouncer STARTING" in said
    assert tries < 10, "each try comes later than the one before"
    running.wait_until(running.answers)


def guard_free_log(stack: LocalStack) -> str:
    """What supervisord has said since the last server was killed."""
    return (stack.directory / "log/supervisord.log").read_text().rpartition("SIGKILL")[2]


@contextmanager
def spoilt(stack: LocalStack, table: str) -> Iterator[None]:
    """Within it the first page of a table is damaged on disk, and PostgreSQL has not read it
    yet."""
    stack.sql("CHECKPOINT")
    file = stack.directory / "data" / stack.sql(f"SELECT pg_relation_filepath('{table}')")
    true = file.read_bytes()[:8192]
    try:
        _write_while_down(stack, file, true[:5000] + b"spoilt" + true[5006:])
        yield
    finally:
        _write_while_down(stack, file, true)
        stack.sql("SELECT pg_stat_reset()")


def _write_while_down(stack: LocalStack, file: Path, page: bytes) -> None:
    """Its buffers would hold what is there."""
    postmaster = program(stack, "postgres")
    os.kill(postmaster.pid, signal.SIGINT)
    stack.wait_until(lambda: not postmaster.is_running())
    with file.open("r+b") as handle:
        handle.write(page)
    stack.wait_until(stack.answers)


def test_a_corrupted_page_is_told_with_what_helps(running: LocalStack) -> None:
    with spoilt(running, "fortune"):
        assert running.manage("stack_verify").returncode == 0
        done = running.manage("seed")
        assert done.returncode == 2
        assert "invalid page in block 0" in done.stderr
        assert "The data on disk is damaged: restore a backup" in done.stderr
        running.wait_until(
            lambda: running.sql("SELECT sum(checksum_failures) FROM pg_stat_database") != "0"
        )
        code, said = status(running)
        assert code == 1
        assert "corrupted page reads in app. Restore from a backup" in said
        assert running.manage("stack_verify").returncode == 1
    assert running.manage("stack_verify").returncode == 0


def is_guard(process: psutil.Process) -> bool:
    """Whether it is the guard; it may have ended a moment ago."""
    with suppress(psutil.Error):
        return "pgstack.targets.guard" in process.cmdline()
    return False


@pytest.mark.slow
def test_servers_of_a_killed_supervisor_stay_dead_and_everybody_says_so(
    running: LocalStack,
) -> None:
    psutil.Process(int((running.directory / "run/supervisord.pid").read_text())).kill()
    psutil.wait_procs([process for process in running.processes() if is_guard(process)], timeout=5)
    code, said = status(running)
    assert code == 1
    assert "pgbouncer UNSUPERVISED" in said
    assert running.manage("stack_verify").returncode == 1
    assert running.manage("stack_local", "up").returncode == 0
    assert status(running)[0] == 0


def test_nobody_else_reads_logs_and_media(running: LocalStack) -> None:
    for name in ("log", "media", "secrets", "data", "run/pooler", "run/postgres", "run/apache"):
        assert (running.directory / name).stat().st_mode & 0o777 == 0o700, name
    lines = [path for path in (running.directory / "log").iterdir() if path.stat().st_mode & 0o077]
    assert lines == []
