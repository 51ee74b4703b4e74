"""Bad input and bad circumstances: one clear error each, exit code 2, and nothing left
half-done."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack

Hide = Callable[[Path, list[str]], list[str]]

BAD_INPUTS = [
    ({"STACK_PROCESES": "4"}, "STACK_PROCESES: unknown input; did you mean STACK_PROCESSES?"),
    ({"STACK_POOL_SIZE": "0"}, "STACK_POOL_SIZE=0: Input should be greater than or equal to 1"),
    ({"STACK_MEMORY": "64m", "STACK_CORES": "2"}, "STACK_MEMORY=480m is enough;"),
]


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on standard error with which a command said that it cannot."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize(
    "command", [("stack_plan",), ("stack_render",), ("stack_local", "up")], ids=" ".join
)
@pytest.mark.parametrize(("inputs", "message"), BAD_INPUTS, ids=lambda value: "".join(value)[:15])
def test_bad_inputs_are_refused_by_name(
    unused: LocalStack, command: tuple[str, ...], inputs: dict[str, str], message: str
) -> None:
    assert message in refusal(unused.manage(*command, **inputs))
    assert unused.entries() == []


@pytest.mark.parametrize("goal", [["plan"], ["up", "TARGET=local"]], ids=" ".join)
@pytest.mark.parametrize(("inputs", "message"), BAD_INPUTS, ids=lambda value: "".join(value)[:15])
def test_make_refuses_bad_inputs_by_name(
    unused: LocalStack, checkout: Path, goal: list[str], inputs: dict[str, str], message: str
) -> None:
    done = subprocess.run(
        ["make", *goal],
        cwd=checkout,
        env=unused.environment(**inputs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    error, make = done.stderr.splitlines()
    assert message in error
    assert make.startswith("make: ***")
    assert unused.entries() == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"STACK_TARGET": "compose"},
            "STACK_TARGET=compose: this command runs the target local only.",
        ),
        (
            {"STACK_ADDRESS": "203.0.113.7"},
            "STACK_ADDRESS=203.0.113.7: Cannot assign requested address.",
        ),
        ({"STACK_ADDRESS": "127.0.0.999"}, "STACK_ADDRESS=127.0.0.999: "),
        ({"STACK_ACCOUNT": "root"}, "STACK_ACCOUNT=root: PostgreSQL does not run as root."),
        (
            {
                "STACK_TLS": "files",
                "STACK_TLS_CERTIFICATE": "/nowhere/c.pem",
                "STACK_TLS_KEY": "/nowhere/k.pem",
            },
            "STACK_TLS_CERTIFICATE=/nowhere/c.pem: no such file.",
        ),
        ({"STACK_PLAN": "/nowhere/plan.json"}, "STACK_PLAN=/nowhere/plan.json: no such file."),
    ],
    ids=lambda value: "".join(value)[:15],
)
def test_inputs_that_this_machine_cannot_follow_are_refused(
    unused: LocalStack, inputs: dict[str, str], message: str
) -> None:
    command = ("stack_verify",) if "STACK_PLAN" in inputs else ("stack_local", "up")
    assert message in refusal(unused.manage(*command, **inputs))
    assert unused.entries() == []


def test_env_file_that_cannot_be_read_is_named(unused: LocalStack, checkout: Path) -> None:
    (checkout / ".env").write_bytes(b"STACK_HOSTS=\xff\n")
    command = [".venv/bin/python", "app/manage.py", "stack_plan"]
    done = subprocess.run(
        command, cwd=checkout, env=unused.environment(), capture_output=True, text=True, check=False
    )
    assert f"{checkout}/.env: it is not UTF-8." in refusal(done)


def test_up_names_a_missing_package_and_the_command(unused: LocalStack, hidden: Hide) -> None:
    command = hidden(Path("/usr/lib/apache2/modules"), unused.command("stack_local", "up"))
    done = subprocess.run(
        command, env=unused.environment(), capture_output=True, text=True, check=False
    )
    assert refusal(done) == (
        "missing packages: libapache2-mod-wsgi-py3. "
        "As root: apt-get install -y --no-install-recommends libapache2-mod-wsgi-py3"
    )
    assert unused.entries() == []


def test_up_refuses_a_port_in_use_before_anything_is_written(unused: LocalStack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", unused.port))
        taken.listen()
        message = refusal(unused.manage("stack_local", "up"))
    assert message.startswith(
        f"STACK_PORT={unused.port}: Address already in use (127.0.0.1). Choose another"
    )
    assert unused.entries() == []


def test_up_refuses_the_port_of_another_stack_and_leaves_that_alone(
    stack: LocalStack, unused: LocalStack
) -> None:
    before = stack.servers()
    message = refusal(unused.manage("stack_local", "up", STACK_PORT=str(stack.port)))
    assert f"STACK_PORT={stack.port}: Address already in use" in message
    assert unused.entries() == []
    assert stack.servers() == before
    assert stack.answers()


def test_a_running_stack_goes_on_when_its_new_port_is_in_use(
    stack: LocalStack, unused: LocalStack
) -> None:
    before, plan = stack.servers(), (stack.directory / "conf/plan.json").read_text()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", unused.port))
        taken.listen()
        message = refusal(stack.manage("stack_local", "up", STACK_PORT=str(unused.port)))
    assert f"STACK_PORT={unused.port}: Address already in use" in message
    assert stack.servers() == before
    assert (stack.directory / "conf/plan.json").read_text() == plan
    assert stack.answers()


def test_commands_refuse_a_damaged_plan(unused: LocalStack) -> None:
    (unused.directory / "conf").mkdir()
    (unused.directory / "conf/plan.json").write_text('{"target": "lo')
    for command in (
        ["stack_verify"],
        ["stack_pools"],
        ["migrate"],
        ["stack_local", "status"],
        ["stack_local", "down"],
    ):
        message = refusal(unused.manage(*command))
        assert message.endswith(
            "conf/plan.json: it is not a plan of this version. `make up` writes a new one."
        )


@pytest.mark.parametrize("action", ["down", "status"])
def test_a_stack_that_was_never_started_is_said_to_be_none(unused: LocalStack, action: str) -> None:
    assert refusal(unused.manage("stack_local", action)).endswith(
        "no stack was started here. Start one with `make up`."
    )


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root starts the stack as another account; run the tests as root"
)
def test_up_names_the_directory_that_the_account_may_not_enter(unused: LocalStack) -> None:
    unused.directory.chmod(0o700)
    done = unused.manage("stack_local", "up", STACK_DIR=f"{unused.directory}/below/stack")
    assert done.returncode == 2
    assert f"{unused.directory}: the account pgstack may not enter it" in done.stderr
    assert f"chmod o+x {unused.directory}`" in done.stderr
    assert list(unused.directory.iterdir()) == []


def test_commands_that_need_the_servers_say_that_they_are_down(unused: LocalStack) -> None:
    assert unused.manage("stack_render").returncode == 0
    assert "Is the stack up?" in unused.manage("stack_pools").stderr
    for command in ("migrate", "seed", "stack_pools"):
        done = unused.manage(command)
        assert done.returncode == 2, command
        assert "Traceback" not in done.stderr
        assert re.search("Is the stack up|Check that the stack is up", done.stderr)
    (unused.directory / "conf/plan.json").unlink()
    shutil.rmtree(unused.directory / "secrets")
