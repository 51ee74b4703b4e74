"""Bad circumstances: one clear error each, exit code 2, and nothing left half-done."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack
from pgstack.errors import RenderError
from pgstack.ports import free_port
from pgstack.render import File, write


@pytest.fixture
def unused() -> Iterator[LocalStack]:
    """A directory where no stack was started yet."""
    directory = Path(tempfile.mkdtemp(prefix="stack-", dir="/tmp"))
    directory.chmod(0o755)
    yield LocalStack(directory, free_port())
    shutil.rmtree(directory)


def test_up_refuses_a_port_in_use_before_anything_is_written(unused: LocalStack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", unused.port))
        taken.listen()
        done = unused.manage("stack_local", "up")
    assert done.returncode == 2
    assert re.search(rf"STACK_PORT={unused.port}: Address already in use.*Choose another", done.stderr)
    assert list(unused.directory.iterdir()) == []


def test_commands_refuse_a_damaged_plan(unused: LocalStack) -> None:
    (unused.directory / "conf").mkdir()
    (unused.directory / "conf/plan.json").write_text('{"target": "lo')
    done = unused.manage("stack_verify")
    assert done.returncode == 2
    assert "plan.json: it is no plan of this version. Remove the file" in done.stderr


@pytest.mark.parametrize("inputs", [{"STACK_PROCESES": "4"}, {"STACK_POOL_SIZE": "0"}, {"STACK_MEMORY": "64m"}])
def test_up_refuses_bad_inputs_by_name(unused: LocalStack, inputs: dict[str, str]) -> None:
    done = unused.manage("stack_local", "up", **inputs)
    assert done.returncode == 2
    assert all(name in done.stderr for name in inputs)
    assert "Traceback" not in done.stderr
    assert list(unused.directory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root starts the stack as another account")
def test_up_names_the_directory_that_the_account_may_not_enter(unused: LocalStack) -> None:
    unused.directory.chmod(0o700)
    done = unused.manage("stack_local", "up", STACK_DIR=f"{unused.directory}/below/stack")
    assert done.returncode == 2
    assert f"{unused.directory}: the account pgstack may not enter it" in done.stderr
    assert f"chmod o+x {unused.directory}`" in done.stderr
    assert list(unused.directory.iterdir()) == []


def test_a_disk_that_fills_up_during_render_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [File(tmp_path / "one", "old\n"), File(tmp_path / "two", "old\n")]
    write(old)
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("pgstack.render.os.fsync", full)
    with pytest.raises(RenderError, match="two: No space left on device; the files that were there are unchanged"):
        write([File(file.path, "new\n") for file in old])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert [file.path.read_text() for file in old] == ["old\n", "old\n"]
