"""A disk that is full, for real: one error with file, reason and remedy; what was there stays as it
was."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack
from fixtures.machine import disk
from pgstack.errors import RenderError
from pgstack.ops.rendered import write
from pgstack.rendering.file import File

FULL = "No space left on device"


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def fill(directory: Path, keep: int) -> Path:
    """A file that leaves `keep` bytes of the disk."""
    ballast = directory / "conf/ballast"
    ballast.touch()
    printed = subprocess.run(
        ["df", "--output=avail", "-B1", str(directory)], check=True, capture_output=True, text=True
    ).stdout
    with ballast.open("wb") as handle:
        free = int(printed.split()[1]) - keep
        while free > 0:
            free -= handle.write(b"\0" * min(free, 1 << 20))
    return ballast


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def small(unused: LocalStack, request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """A directory on a disk of its own."""
    with disk(unused.directory, f"size={request.param},mode=755"):
        yield unused
        if (unused.directory / "conf/plan.json").is_file():
            unused.manage("stack_local", "down")


@pytest.mark.parametrize("small", ["64k"], indirect=True)
def test_a_full_disk_during_render_leaves_the_old_files(small: LocalStack) -> None:
    old = [File(small.directory / name, "old\n") for name in ("one", "two")]
    write(old)
    new = [File(small.directory / "one", "new\n"), File(small.directory / "two", "x" * 100_000)]
    with pytest.raises(RenderError) as caught:
        write(new)
    assert str(caught.value) == (
        f"{small.directory}/two: {FULL}; the files that were there are unchanged. "
        "Free the space or the rights and try again."
    )
    assert files(small.directory) == {str(file.path): b"old\n" for file in old}


@pytest.mark.parametrize("small", ["256k"], indirect=True)
@pytest.mark.parametrize("command", [("stack_render",), ("stack_local", "up")], ids=" ".join)
def test_commands_on_a_full_disk_leave_the_old_configuration(
    small: LocalStack, command: tuple[str, ...]
) -> None:
    assert small.manage("stack_render").returncode == 0
    fill(small.directory, keep=8192)
    before = files(small.directory)
    message = refusal(small.manage(*command, STACK_THREADS="3"))
    assert len(message.splitlines()) == 1
    assert message.startswith(f"{small.directory}/conf/")
    assert f": {FULL}; the files that were there are unchanged. Free the space" in message
    assert files(small.directory) == before
    assert small.servers() == {}


@pytest.mark.parametrize("small", ["24m"], indirect=True)
def test_a_disk_too_small_for_a_database_gets_none(small: LocalStack) -> None:
    message = refusal(small.manage("stack_local", "up"))
    assert message.startswith("initdb: ")
    assert FULL in message
    assert message.endswith("run `make up` again: it goes on from here.")
    assert not {"data", ".data.new"} & set(small.entries())
    assert small.servers() == {}


@pytest.mark.parametrize("small", ["160m"], indirect=True)
def test_a_disk_that_fills_up_later_keeps_the_database(small: LocalStack) -> None:
    assert small.manage("stack_local", "up").returncode == 0
    assert small.manage("stack_local", "down").returncode == 0
    ballast = fill(small.directory, keep=0)
    message = refusal(small.manage("stack_local", "up"))
    assert FULL in message
    assert small.servers() == {}
    ballast.unlink()
    again = small.manage("stack_local", "up")
    assert again.returncode == 0, again.stderr + small.logs()
    assert small.manage("stack_verify").returncode == 0


@pytest.mark.parametrize("small", ["160m"], indirect=True)
@pytest.mark.slow
def test_a_disk_that_is_full_for_static_files_gets_whole_ones_later(small: LocalStack) -> None:
    assert small.manage("stack_local", "up").returncode == 0
    whole = files(small.directory / "static")
    # Like new files in a release: they have to be written, and the database has nothing to write.
    for path in (small.directory / "static").rglob("*.*"):
        path.unlink()
    ballast = fill(small.directory, keep=8192)
    message = refusal(small.manage("stack_local", "up"))
    assert message.startswith(
        "manage.py collectstatic: OSError: [Errno 28] No space left on device"
    )
    assert len(message.splitlines()) == 1
    ballast.unlink()
    again = small.manage("stack_local", "up")
    assert again.returncode == 0, again.stderr + small.logs()
    assert files(small.directory / "static") == whole
