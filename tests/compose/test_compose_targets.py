"""Without TARGET a command takes what this checkout has running, and says so where that is not one
target."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose_stack import CHECKOUT, ComposeStack

from fixtures import local_stack
from fixtures.local_stack import LocalStack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(300)]

OTHER = {"COMPOSE_PROJECT_NAME": "pgstack-test-none"}
LOCAL_SERVERS = ["apache", "guard", "metrics", "pgbouncer", "postgres"]


@pytest.fixture(scope="module")
def local() -> Iterator[LocalStack]:
    """A local stack of this checkout."""
    with local_stack.started() as running:
        yield running


def make(*words: str, **inputs: str) -> tuple[int, str, str]:
    """Status, output and errors of `make`, with these inputs and none of the caller's."""
    return run("make", "--silent", *words, **inputs)


def run(*command: str, **inputs: str) -> tuple[int, str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STACK_", "COMPOSE_")) and name != "TARGET"
    }
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment | inputs,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def told(output: str) -> list[str]:
    """The servers in a status that ends with the verdict that all is well."""
    names = [line.split()[0] for line in output.splitlines()]
    assert re.search("^verdict +ok: ", output, re.MULTILINE)
    return names[: names.index("threads")]


def of(stack: ComposeStack) -> dict[str, str]:
    return {"COMPOSE_PROJECT_NAME": stack.project, "STACK_PORT": str(stack.port)}


def test_the_local_stack_is_meant_though_an_engine_answers(
    compose_stack: ComposeStack, local: LocalStack
) -> None:
    status, output, errors = make("status", STACK_DIR=str(local.directory), **OTHER)
    assert (status, errors) == (0, "")
    assert told(output) == LOCAL_SERVERS
    before = local.servers()
    status, output, errors = make("up", **{**OTHER, **inputs_of(local)})
    assert (status, errors) == (0, "")
    assert output.endswith(f"ready     http://localhost:{local.port}/\n")
    assert local.servers() == before


def test_down_up_starts_again_what_ran(local: LocalStack, tmp_path: Path) -> None:
    engine = tmp_path / "docker"  # one that answers, and has no container
    engine.write_text('#!/bin/sh\necho "$*" >> "$0.asked"\n')
    engine.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    before = local.servers()
    status, output, errors = make("down", "up", **{**inputs_of(local), "PATH": path})
    assert (status, errors) == (0, "")
    assert output.endswith(f"ready     http://localhost:{local.port}/\n")
    assert local.servers().keys() == before.keys()
    assert "build" not in Path(f"{engine}.asked").read_text()


@pytest.mark.parametrize("goal", ["up", "down", "status", "verify"])
@pytest.mark.parametrize("there", [True, False], ids=["another checkout", "one that is gone"])
def test_what_another_checkout_has_under_the_name_is_not_touched(
    tmp_path: Path, goal: str, there: bool
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    if there:
        (other / "compose.yaml").touch()
    engine = tmp_path / "docker"  # one with a container that the other checkout has made
    answers = f"case $1 in inspect) echo running {other} ;; *) echo 0123 ;; esac"
    engine.write_text(f'#!/bin/sh\necho "$*" >> "$0.asked"\n{answers}\n')
    engine.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    _, _, errors = make(goal, "TARGET=compose", PATH=path, **OTHER)
    assert errors.startswith(f"target: {other} has containers under the name") is there
    asked = Path(f"{engine}.asked").read_text().splitlines()
    if there:
        assert all(words.startswith(("compose ps", "inspect")) for words in asked)


def inputs_of(local: LocalStack) -> dict[str, str]:
    """Those that it was started with."""
    return {name: value for name, value in local.environment().items() if name.startswith("STACK_")}


def test_the_compose_stack_is_meant_where_no_local_one_runs(
    stack: ComposeStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nothing = str(tmp_path_factory.mktemp("none"))
    status, output, errors = make("status", STACK_DIR=nothing, **of(stack))
    assert (status, errors) == (0, "")
    assert told(output) == ["postgres", "pgbouncer", "web", "background", "metrics"]


@pytest.mark.parametrize(
    "goal", ["up", "down", "status", "verify", "release", "rollback", "reload"]
)
def test_where_both_run_nothing_is_done_and_target_is_asked_for(
    stack: ComposeStack, local: LocalStack, goal: str
) -> None:
    before = local.servers()
    status, output, errors = make(goal, **{**inputs_of(local), **of(stack)})
    assert (status, output) == (2, "")
    assert errors.splitlines()[0] == (
        f"target: {goal}: both targets of this checkout run, local and compose. Name one: "
        "TARGET=local or TARGET=compose."
    )
    assert (local.servers(), stack.get("/healthz")[0]) == (before, 200)


def test_where_both_run_a_named_target_is_taken(stack: ComposeStack, local: LocalStack) -> None:
    inputs = {**inputs_of(local), **of(stack)}
    for target, servers in (
        ("local", LOCAL_SERVERS),
        ("compose", ["postgres", "pgbouncer", "web", "background", "metrics"]),
    ):
        status, output, errors = make("status", f"TARGET={target}", **inputs)
        assert (status, errors, told(output)) == (0, "", servers)


@pytest.mark.parametrize(
    ("goal", "status"),
    [("down", 0), ("status", 2), ("verify", 2), ("release", 2), ("rollback", 2), ("reload", 2)],
)
def test_where_none_runs_every_command_says_so(
    compose_stack: ComposeStack, tmp_path_factory: pytest.TempPathFactory, goal: str, status: int
) -> None:
    nothing = str(tmp_path_factory.mktemp("none"))
    done = make(goal, STACK_DIR=nothing, **OTHER)
    assert done[:2] == (status, "")
    assert done[2].splitlines()[0] == (
        f"{goal}: nothing of this checkout runs. `make up` starts it."
    )


def test_a_restore_where_nothing_runs_asks_for_the_target(tmp_path: Path) -> None:
    status, _, errors = make("restore", STACK_DIR=str(tmp_path / "nothing"), **OTHER)
    assert status == 2
    assert "restore: nothing of this checkout runs. Name what is to start with" in errors


@pytest.mark.parametrize("target", ["local", "compose"])
def test_load_goes_to_the_stack_that_runs(
    stack: ComposeStack, local: LocalStack, tmp_path_factory: pytest.TempPathFactory, target: str
) -> None:
    nothing = str(tmp_path_factory.mktemp("none"))
    inputs = {"SUITE": "running", "USERS": "1", "SECONDS": "1", "COLUMNS": "120"}
    # The port is not told: it is that of the stack.
    inputs |= (
        {"STACK_DIR": str(local.directory), **OTHER}
        if target == "local"
        else {"STACK_DIR": nothing, "COMPOSE_PROJECT_NAME": stack.project}
    )
    status, output, errors = run(sys.executable, "loadtest/run.py", **inputs)
    assert status == 0, errors
    port = {"local": local.port, "compose": stack.port}[target]
    assert f"127.0.0.1:{port}/db" in output
