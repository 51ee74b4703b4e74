"""What a lesser account has made becomes root's: its links stay links, and nothing runs as its
owner."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from stackctl import safe, tree

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What an account has made, with links out of it and a program that would run as its owner."""
    source = tmp_path / "made"
    (source / "bin").mkdir(parents=True)
    (source / "bin/program").write_text("#!/bin/sh\n")
    (source / "bin/program").chmod(0o6775)
    (source / "text").write_text("words")
    (source / "text").chmod(0o666)
    (source / "far").symlink_to("/etc/shadow")
    (source / "away").symlink_to("/etc")
    os.utime(source / "text", (1000, 2000))
    return source


def modes(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): stat.filemode(path.lstat().st_mode)
        for path in directory.rglob("*")
    }


def test_a_tree_is_installed_with_modes_of_its_own(tmp_path: Path, made: Path) -> None:
    tree.install(made, tmp_path / "goal", ME)
    assert modes(tmp_path / "goal") == {
        "bin": "drwxr-xr-x",
        "bin/program": "-rwxr-xr-x",
        "text": "-rw-r--r--",
        "far": "lrwxrwxrwx",
        "away": "lrwxrwxrwx",
    }
    assert (tmp_path / "goal/away").readlink() == Path("/etc")
    assert (tmp_path / "goal/text").stat().st_mtime == 2000
    assert (tmp_path / "goal/text").stat().st_ino != (made / "text").stat().st_ino, (
        "a file that its maker still has"
    )


def test_it_takes_the_place_of_an_empty_directory(tmp_path: Path, made: Path) -> None:
    (tmp_path / "goal").mkdir()
    tree.install(made, tmp_path / "goal", ME)
    assert (tmp_path / "goal/text").read_text() == "words"


def test_what_is_no_file_is_refused_and_nothing_is_left(tmp_path: Path, made: Path) -> None:
    os.mkfifo(made / "bin/pipe")
    with pytest.raises(safe.UnsafePath, match="pipe"):
        tree.install(made, tmp_path / "goal", ME)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]


def test_a_link_in_the_place_of_the_tree_is_not_followed(tmp_path: Path, made: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "venv").symlink_to(made)
    with pytest.raises(safe.UnsafePath, match="venv"):
        tree.install(shared / "venv", tmp_path / "goal", ME)
    assert not (tmp_path / "goal").exists()
