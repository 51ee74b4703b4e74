"""What root opens where others may write: no link leads it elsewhere, nothing makes it wait or read
without end."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pgstack.ops import replacing
from stackctl import safe

ME = pwd.getpwuid(os.geteuid()).pw_name
US = grp.getgrgid(os.getegid()).gr_name
OTHERS = 0o777
"""mode of a directory into which everybody may put a link"""
TOUCHED: dict[str, Callable[[Path], object]] = {
    "read": safe.read,
    "write below": lambda path: safe.write(path / "new", b"mine", owner=ME, group=US),
    "own": lambda path: safe.set_owner(path, 0o600, ME, US),
    "make": lambda path: safe.make_directory(path, 0o700, ME, US),
    "contents": safe.contents,
    "link below": lambda path: safe.link(path / "new", "elsewhere"),
}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory that others may write."""
    directory = tmp_path / "shared"
    directory.mkdir()
    directory.chmod(OTHERS)
    return directory


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A directory that only its owner writes, with one file."""
    directory = tmp_path / "victim"
    directory.mkdir(mode=0o755)
    (directory / "file").write_text("kept")
    (directory / "file").chmod(0o644)
    return directory


def seen(directory: Path) -> dict[str, tuple[int, str]]:
    """Modes and contents of a directory and what is in it."""
    texts = {path.name: (path.stat().st_mode, path.read_text()) for path in directory.iterdir()}
    return {".": (directory.stat().st_mode, ""), **texts}


@pytest.mark.parametrize("name", TOUCHED)
def test_a_link_that_others_may_have_put_there_is_not_followed(
    shared: Path, victim: Path, name: str
) -> None:
    before = seen(victim)
    (shared / "trap").symlink_to(victim / "file" if name in ("read", "own") else victim)
    with pytest.raises(safe.UnsafePath, match="trap"):
        TOUCHED[name](shared / "trap")
    assert seen(victim) == before


def test_a_link_on_the_way_is_not_followed_below_a_directory_of_others(
    shared: Path, victim: Path
) -> None:
    (shared / "way").symlink_to(victim)
    for change in (safe.read, lambda path: safe.write(path, b"mine", owner=ME, group=US)):
        with pytest.raises(safe.UnsafePath, match="way"):
            change(shared / "way" / "file")
    assert (victim / "file").read_text() == "kept"


def test_a_link_of_the_administrator_is_followed(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "moved").symlink_to("victim")
    assert safe.read(tmp_path / "moved" / "file") == b"kept"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(safe.UnsafePath, match="links on the way"):
        safe.contents(tmp_path / "one" / "deeper")


def test_what_is_written_takes_the_place_of_a_link_and_leaves_its_target_alone(
    shared: Path, victim: Path
) -> None:
    for name in ("file", ".file.new"):
        (shared / name).symlink_to(victim / "file")
    safe.write(shared / "file", b"mine", 0o640, ME, US)
    assert (shared / "file").read_bytes() == b"mine"
    assert stat.S_IMODE((shared / "file").lstat().st_mode) == 0o640
    assert (victim / "file").read_text() == "kept"


@pytest.mark.parametrize("opened", [replacing.directory, safe.directory])
def test_what_is_cut_off_leaves_what_was_there_and_nothing_beside(
    victim: Path, opened: Callable[[Path], AbstractContextManager[int]]
) -> None:
    def cut_off() -> None:
        with opened(victim) as parent, replacing.replacing(parent, "file") as fresh:
            replacing.make(parent, fresh, b"half of", 0o600)
            assert (victim / "file").read_text() == "kept"
            raise KeyboardInterrupt

    before = seen(victim)
    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert seen(victim) == before


@pytest.mark.parametrize("kind", ["pipe", "socket-like device", "directory"])
def test_what_is_no_file_is_not_read_and_nobody_waits_for_it(shared: Path, kind: str) -> None:
    path = shared / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    with pytest.raises(safe.UnsafePath, match="not a regular file"):
        safe.read(path)


def test_a_file_without_end_is_not_read(shared: Path) -> None:
    with (shared / "huge").open("wb") as file:
        file.truncate(safe.LIMIT + 1)
    with pytest.raises(safe.UnsafePath, match="longer than"):
        safe.read(shared / "huge")


def test_a_second_name_of_a_file_is_not_given_away(shared: Path, victim: Path) -> None:
    os.link(victim / "file", shared / "trap")
    with pytest.raises(safe.UnsafePath, match="second name"):
        safe.set_owner(shared / "trap", 0o666, ME, US)
    assert stat.S_IMODE((victim / "file").stat().st_mode) == 0o644


def test_what_is_removed_is_the_link_and_not_what_it_leads_to(shared: Path, victim: Path) -> None:
    (shared / "tree").mkdir()
    (shared / "tree" / "trap").symlink_to(victim)
    (shared / "trap").symlink_to(victim)
    for name in ("tree", "trap", "nothing"):
        safe.remove(shared / name)
    assert list(shared.iterdir()) == []
    assert (victim / "file").read_text() == "kept"
