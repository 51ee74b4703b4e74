"""STACK_SCHEDULE in containers: `background` runs it, on the pool of workers, and everybody is
told."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from compose_stack import ComposeStack

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(900)]

NAMED = (
    "__import__('django').setup() or [print(c.settings_dict['NAME'], c.cursor().execute('SELECT 1'))"
    " for c in [__import__('django.db').db.connection]]"
)
UNTIL_TOLD = (
    "while not __import__('os').path.exists('/var/lib/stack-media/end'): "
    "__import__('time').sleep(0.2)"
)
SCHEDULE = (
    f'good:50MB=monthly 1 00:00 python -c "{NAMED}"; '
    'bad:50MB=daily 04:00 python -c "raise SystemExit(3)"; '
    "slow:2s:50MB=monthly 1 00:00 sleep 60; "
    f'waits:50MB=monthly 1 00:00 python -c "{UNTIL_TOLD}"; '
    "endless:50MB=monthly 1 00:00 sleep 3000; later:50MB=weekly mon 04:00 manage.py check"
)
MISSED = """
import json, pathlib
path = pathlib.Path("/var/lib/stack-schedule/runs.json")
known = json.loads(path.read_text())
path.write_text(json.dumps({
    name: {**record, "since": "2026-01-01T00:00:00Z"} if name != "later" else record
    for name, record in known.items()
}))
"""
IS_STOPPED = "SIGTERM indicating exit request"
RELOAD = ("/usr/bin/python3", "-B", "tools/compose_reload.py")


def records(stack: ComposeStack) -> dict[str, dict[str, Any]]:
    printed = stack.execute("background", "cat", "/var/lib/stack-schedule/runs.json", check=False)
    read: dict[str, dict[str, Any]] = json.loads(printed.stdout or "{}")
    return read


def logs(stack: ComposeStack) -> str:
    words = ("logs", "--no-color", "--no-log-prefix", "background")
    return stack.compose(*words, check=False).stdout


def wait_until(stack: ComposeStack, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"{records(stack)}\n{logs(stack)}"
        time.sleep(0.5)


def wait_for(stack: ComposeStack, **wanted: int | None) -> None:
    """Until the last runs have ended like this."""
    wait_until(
        stack,
        lambda: {name: record["exit"] for name, record in records(stack).items()} == wanted,
    )


@pytest.fixture(scope="module")
def scheduled(compose_stack: ComposeStack) -> Iterator[ComposeStack]:
    """The stack with a schedule, after it was down for long."""
    stack = replace(compose_stack, inputs={"STACK_SCHEDULE": SCHEDULE})
    stack.run(*RELOAD)
    wait_for(stack, good=None, bad=None, slow=None, waits=None, endless=None, later=None)
    stack.compose("stop", "background")
    edit = ("run", "--rm", "--no-deps", "--no-TTY", "background", "python", "-c", MISSED)
    stack.compose(*edit)
    # Compose would start what it depends on too, and so render what was asked for at first.
    stack.run("docker", "start", stack.container("background"))
    yield stack
    stack.compose("kill", "background")
    compose_stack.run(*RELOAD)
    compose_stack.execute("web", "rm", "--force", "/var/lib/stack-media/end")


def test_what_is_scheduled_runs_once_and_is_told(scheduled: ComposeStack) -> None:
    wait_for(scheduled, good=0, bad=3, slow=-15, waits=None, endless=None, later=None)
    told = logs(scheduled)
    assert told.count(" good begins as process ") == 1
    assert "app_background" in told
    assert " slow gets SIGTERM: its limit of 2 s is over\n" in told
    done = scheduled.run("make", "--silent", "status", "TARGET=compose", check=False)
    assert done.returncode == 2, done.stdout
    rows = "\n".join(" ".join(line.split()) for line in done.stdout.splitlines())
    for line in (
        "schedule-good WAITING ended with 0 after ",
        "schedule-bad FAILED ended with 3, ",
        "schedule-slow FAILED was ended after its limit of 2 s",
        "schedule-endless RUNNING since ",
        "schedule-later WAITING has not run yet; next ",
    ):
        assert f"\n{line}" in rows


def test_it_is_proven(scheduled: ComposeStack) -> None:
    verify = ("run", "--rm", "--no-deps", "--no-TTY", "manage", "stack_verify")
    done = scheduled.compose(*verify, check=False)
    assert done.returncode == 0, done.stdout
    assert "commands are scheduled" in done.stdout


def test_a_command_that_is_not_there_changes_nothing(scheduled: ComposeStack) -> None:
    before = [scheduled.container(service) for service in ("web", "background")]
    wrong = scheduled.with_inputs({"STACK_SCHEDULE": "x=hourly nowhere"})
    for command in (RELOAD, ("make", "up", "TARGET=compose")):
        done = wrong.run(*command, check=False)
        assert done.returncode == 2
        assert "STACK_SCHEDULE: x: there is no program nowhere in the" in done.stderr
    assert before == [scheduled.container(service) for service in ("web", "background")]
    assert records(scheduled)["endless"]["process"]


def test_a_change_lets_runs_end_and_begins_again_what_does_not(scheduled: ComposeStack) -> None:
    before = records(scheduled)
    assert before["waits"]["process"]
    other = scheduled.with_inputs({"STACK_THREADS": "3"})
    stops = logs(scheduled).count(IS_STOPPED)
    with subprocess.Popen(
        RELOAD, cwd=other.checkout, env=other.environment(), stdout=subprocess.PIPE, text=True
    ) as reload:
        wait_until(scheduled, lambda: logs(scheduled).count(IS_STOPPED) > stops)
        scheduled.execute("web", "touch", "/var/lib/stack-media/end")
        assert "reloaded" in reload.communicate()[0]
    wait_until(scheduled, lambda: bool(records(scheduled)["endless"]["process"]))
    after = records(scheduled)
    assert after["waits"] == {**after["waits"], "exit": 0, "cut": "", "process": 0}
    assert after["waits"]["begun"] == before["waits"]["begun"], "it ran once"
    assert after["endless"]["begun"] > before["endless"]["begun"], "it was begun again"
    assert after["good"]["begun"] == before["good"]["begun"]


def test_it_has_no_more_rights_than_pages(scheduled: ComposeStack) -> None:
    background, web = scheduled.inspect("background"), scheduled.inspect("web")
    assert background["Image"] == web["Image"]
    kept = ("ReadonlyRootfs", "CapDrop", "SecurityOpt", "PortBindings", "Privileged")
    assert {name: background["HostConfig"][name] for name in kept} == {
        name: web["HostConfig"][name] for name in kept
    }
    assert background["Config"]["User"] == "worker"
