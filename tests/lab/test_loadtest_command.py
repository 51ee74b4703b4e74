"""`make loadtest` on the real stack: its exit status and what it prints."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fixtures.local_stack import CHECKOUT, LocalStack
from pgstack.ports import free_port


def loadtest(
    directory: Path, port: int, stdout: int = subprocess.PIPE, **inputs: str
) -> subprocess.Popen[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STACK_")
    }
    environment |= {
        "STACK_DIR": str(directory),
        "STACK_PORT": str(port),
        "COLUMNS": "80",
        "SUITE": "running",
        **inputs,
    }
    command = [sys.executable, str(CHECKOUT / "loadtest/run.py")]
    return subprocess.Popen(
        command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


def supervise(stack: LocalStack, action: str) -> None:
    configuration = str(stack.directory / "supervisord.conf")
    command = [str(stack.supervisorctl), "-c", configuration, action, "postgres"]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def without_postgres(stack: LocalStack) -> Iterator[None]:
    supervise(stack, "stop")
    try:
        yield
    finally:
        supervise(stack, "start")
        until_ready(stack)


def until_ready(stack: LocalStack) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{stack.url}/db", timeout=10):
                return
        except urllib.error.HTTPError as error:
            error.close()
            time.sleep(0.2)
    pytest.fail(f"the page did not come back\n{stack.logs()}")


def read_until(terminal: int, sign: bytes) -> bytes:
    """What is written to the terminal, up to and with `sign`."""
    seen = b""
    while sign not in seen:
        seen += os.read(terminal, 4096)
    return seen


def rest(terminal: int) -> bytes:
    """What is written to the terminal until nobody has it open any more."""
    seen = b""
    with suppress(OSError):  # how Linux says the end of a terminal
        while piece := os.read(terminal, 4096):
            seen += piece
    return seen


def test_load_on_a_stack_that_answers_ends_with_zero_and_fits_80_columns(stack: LocalStack) -> None:
    status, out, err = ended(loadtest(stack.directory, stack.port, SECONDS="2"))
    assert (status, err) == (0, "")
    assert "requests/s" in out
    assert "failed:" not in out
    assert max(map(len, out.splitlines()[1:])) <= 80


def test_half_as_many_users_as_apache_has_workers_lose_no_kept_connection(
    stack: LocalStack,
) -> None:
    plan = json.loads((stack.directory / "conf/plan.json").read_text())
    users = plan["apache"]["max_request_workers"] // 2
    status, out, err = ended(loadtest(stack.directory, stack.port, SECONDS="5", USERS=str(users)))
    assert (status, err) == (0, ""), out
    assert users > 32, "a child of 32 would be full"


@pytest.mark.slow
def test_load_on_a_page_that_fails_in_between_ends_with_one(stack: LocalStack) -> None:
    terminal, inner = pty.openpty()
    process = loadtest(stack.directory, stack.port, stdout=inner, SECONDS="5", TERM="xterm")
    os.close(inner)
    read_until(terminal, b"measuring")
    with without_postgres(stack):
        out = rest(terminal).decode()
        status, _, err = ended(process)
    os.close(terminal)
    assert (status, err) == (1, "")
    assert "failed: " in out
    assert "failed: no request was answered" not in out


def test_load_without_a_stack_ends_with_two_and_the_remedy(tmp_path: Path) -> None:
    status, _, err = ended(loadtest(tmp_path, free_port()))
    assert status == 2
    assert "make up" in err


def test_bad_input_ends_with_two_and_its_name(stack: LocalStack) -> None:
    for inputs, name in (
        ({"USERS": "0"}, "USERS=0"),
        ({"HOST": "https://127.0.0.1"}, "no maximum rate"),
    ):
        status, _, err = ended(loadtest(stack.directory, stack.port, **inputs))
        assert status == 2
        assert name in err


@pytest.mark.slow
def test_host_that_the_user_names_gets_a_ladder_and_open_loops_below_the_maximum_rate(
    stack: LocalStack, tmp_path: Path
) -> None:
    inputs = {
        "HOST": stack.url,
        "MAX_RATE": "20",
        "USERS": "2",
        "SECONDS": "1",
        "RESULTS": str(tmp_path),
    }
    status, out, err = ended(loadtest(stack.directory, stack.port, **inputs | {"SUITE": ""}))
    assert (status, err) == (0, "")
    assert "paced to MAX_RATE=20" in " ".join(out.split())
    assert max(map(len, out.splitlines()[1:-1])) <= 80
    (path,) = tmp_path.glob("*/results.json")
    made = json.loads(path.read_text())
    assert sorted(
        trial["load"]["users"] for trial in made["trials"] if trial["purpose"] == "ladder"
    ) == [1, 2]
    offered = sorted(
        trial["load"]["rate"] for trial in made["trials"] if trial["purpose"] == "open"
    )
    assert len(offered) == 4
    assert offered[-1] <= 18
    assert {trial["failures"] + trial["unanswered"] for trial in made["trials"]} == {0}
    assert all(trial["requests"] <= 21 for trial in made["trials"])


def test_input_that_means_nothing_here_is_refused(stack: LocalStack) -> None:
    for inputs, name in (
        (
            {"COMPARE": "old.json"},
            "COMPARE=old.json: says nothing in SUITE=running. Leave COMPARE out.",
        ),
        (
            {"SUITE": "server"},
            "SUITE=server: no such suite. There are strategies, servers, pages, scaling, ",
        ),
        (
            {"HOST": stack.url, "MAX_RATE": "5"},
            "SUITE=running: says nothing of a HOST. Leave SUITE out.",
        ),
    ):
        status, _, err = ended(loadtest(stack.directory, stack.port, **inputs))
        assert status == 2
        assert name in err
