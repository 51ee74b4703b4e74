"""A start that is cut off: the next one finishes the job, and no row is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack

Sign = Callable[[Path], bool]

FIRST_START: dict[str, Sign] = {
    "rendering": lambda root: (root / "conf").exists(),
    "initdb": lambda root: (root / ".data.new").exists(),
    "data is there": lambda root: (root / "data").exists(),
    "PostgreSQL starts": lambda root: (root / "run/postgres/.s.PGSQL.5432").exists(),
    "migrating": lambda root: (root / "run/pooler/.s.PGSQL.6432").exists(),
    "static files": lambda root: (root / "static.unfinished").exists(),
    "Apache starts": lambda root: (root / "run/apache/apache2.pid").exists(),
}
"""Signs of the stages of a first start, in their order."""


def cut_off(stack: LocalStack, sign: Sign, how: signal.Signals, **inputs: str) -> tuple[int, str]:
    """`up`, ended by a signal as soon as `sign` shows; its exit status and standard error."""
    with tempfile.TemporaryFile(
        "w+"
    ) as output:  # a pipe would be held by the servers for longer than it lives
        start = subprocess.Popen(
            stack.command("stack_local", "up"),
            env=stack.environment(**inputs),
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
        while not sign(stack.directory):
            if start.poll() is not None:
                output.seek(0)
                pytest.fail(
                    f"it ended with {start.returncode} before the sign came: {output.read()}"
                )
            time.sleep(0.001)
        # Control-C reaches the whole process group, a kill the one process.
        (os.killpg if how == signal.SIGINT else os.kill)(start.pid, how)
        status = start.wait(timeout=60)
        output.seek(0)
        return status, output.read()


def orphaned_files(stack: LocalStack) -> list[str]:
    """What only a start that did not end leaves."""
    paths = [*stack.directory.rglob("*.new"), *stack.directory.rglob("*.unfinished")]
    return [str(path) for path in paths]


def test_a_first_start_that_is_killed_at_every_stage_is_finished_by_the_next(
    unused: LocalStack,
) -> None:
    for sign in FIRST_START.values():
        assert cut_off(unused, sign, signal.SIGKILL)[0] == -signal.SIGKILL
    done = unused.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr + unused.logs()
    assert unused.answers()
    assert orphaned_files(unused) == []
    assert unused.manage("stack_verify").returncode == 0


@pytest.mark.slow
def test_a_changed_start_that_is_killed_at_every_stage_loses_no_row(unused: LocalStack) -> None:
    assert unused.manage("stack_local", "up", STACK_THREADS="2").returncode == 0
    unused.sql("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    conf = unused.directory / "conf/apache/site.conf"
    signs: list[tuple[str, Sign]] = [
        ("3", lambda root: "threads=3 " in conf.read_text()),
        ("4", lambda root: not (root / "run/apache/apache2.pid").exists()),
        ("5", lambda root: not (root / "run/supervisor.sock").exists()),
        ("6", lambda root: (root / "run/postgres/.s.PGSQL.5432").exists()),
        ("6", lambda root: (root / "static.unfinished").exists()),
    ]
    for threads, sign in signs:
        assert cut_off(unused, sign, signal.SIGKILL, STACK_THREADS=threads)[0] == -signal.SIGKILL
    done = unused.manage("stack_local", "up", STACK_THREADS="6")
    assert done.returncode == 0, done.stderr + unused.logs()
    assert "threads=6 " in conf.read_text()
    assert unused.sql("SELECT count(*), sum(number) FROM kept") == "1000|500500"
    assert orphaned_files(unused) == []
    assert unused.manage("stack_verify", STACK_THREADS="6").returncode == 0


@pytest.mark.parametrize(
    "stage",
    [
        "PostgreSQL starts",
        "static files",
        *(pytest.param(stage, marks=pytest.mark.slow) for stage in ("initdb", "migrating")),
    ],
)
def test_control_c_stops_what_was_started_and_the_next_start_goes_on(
    unused: LocalStack, stage: str
) -> None:
    assert cut_off(unused, FIRST_START[stage], signal.SIGINT) == (130, "interrupted\n")
    assert unused.servers() == {}
    done = unused.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr + unused.logs()
    assert orphaned_files(unused) == []


def test_two_starts_at_once_make_one_stack(unused: LocalStack) -> None:
    starts = [
        subprocess.Popen(
            unused.command("stack_local", "up"),
            env=unused.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [start.communicate(timeout=120)[1] for start in starts] == ["", ""]
    assert [start.returncode for start in starts] == [0, 0]
    assert unused.manage("stack_verify").returncode == 0


@pytest.mark.slow
def test_up_repairs_what_a_cut_off_start_may_leave(unused: LocalStack) -> None:
    root = unused.directory
    assert unused.manage("stack_local", "up").returncode == 0
    assert unused.manage("stack_local", "down").returncode == 0
    picture = next(root.glob("static/demo/favicon.*.svg"))
    whole = picture.read_bytes()
    for path in (picture, root / "static/demo/favicon.svg"):
        path.write_bytes(path.read_bytes()[:100])
    (root / "static.unfinished").touch()
    (root / "conf/plan.json").write_text('{"target": "lo')
    (root / "conf/postgres/pgstack.conf").write_bytes(b"\xff\x00")
    (root / "conf/apache/.site.conf.new").write_text("half a li")
    (root / ".data.new").mkdir()
    (root / ".data.new/PG_VERSION").write_text("1")
    (root / "secrets/django_secret_key").unlink()
    for path in root.rglob("*"):
        os.chown(path, root.stat().st_uid, root.stat().st_gid)
    done = unused.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr + unused.logs()
    assert picture.read_bytes() == whole
    assert orphaned_files(unused) == []
    assert unused.manage("stack_verify").returncode == 0
