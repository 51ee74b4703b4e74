"""A restore that was cut off: whose data are whole is known, and they serve again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from fixtures.host_plan import host_plan
from stackctl import postgres, system, timelines, under_way
from stackctl.safe import StackctlError
from stackctl.stack import Stack
from stackctl.under_way import Mark

WHOLE = {"PG_VERSION": "17", "global/pg_control": "old", "base/1": "old"}
HALF = {"PG_VERSION": "17"}
RESTORED = {"PG_VERSION": "17", "base/1": "new"}
STATES: dict[str, tuple[dict[str, str], dict[str, str], bool]] = {
    "before the move": (WHOLE, {}, False),
    "renamed, and not noted": ({}, WHOLE, False),
    "copied by half": (WHOLE, HALF, False),
    "copied, and removed by half": (HALF, WHOLE, False),
    "a backup copied by half": (RESTORED, WHOLE, True),
    "recovering": ({**WHOLE, "base/1": "new", "recovery.signal": ""}, WHOLE, True),
    "back by now": (WHOLE, {}, True),
}
"""data directory, what was set aside, and whether the move was noted"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A host's, without servers; what is done in its data directory is done."""

    def here(_: Stack, *command: str) -> None:
        subprocess.run(command, check=True)

    monkeypatch.setattr(under_way, "as_postgres", here)
    monkeypatch.setattr(under_way, "stop", lambda _: None)
    monkeypatch.setattr(system, "run", lambda *_: None)
    monkeypatch.setattr(postgres, "answers", lambda _: True)
    monkeypatch.setattr(timelines, "directory", lambda _: tmp_path / "noted")
    return host_plan(paths={"data": str(tmp_path / "main")})


def fill(place: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def content(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): path.read_text()
        for path in place.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("state", STATES)
def test_what_was_there_before_is_back_whenever_it_was_cut_off(stack: Stack, state: str) -> None:
    there, kept, moved = STATES[state]
    data = Path(stack.paths.data)
    aside = data.with_name("main.before")
    fill(data, there)
    fill(aside, kept)
    mark = Mark(aside, 7.0, moved)
    under_way.note(stack, mark)
    assert under_way.read(stack) == mark
    assert not under_way.recovered(stack, mark)
    assert under_way.put_back(stack, mark) == "The database is as it was before, and runs."
    assert (content(data), aside.exists(), under_way.read(stack)) == (WHOLE, False, None)


def test_half_a_database_is_gone_where_there_was_none(stack: Stack) -> None:
    data = Path(stack.paths.data)
    fill(data, HALF)
    mark = Mark(None, 7.0, moved=True)
    assert under_way.put_back(stack, mark) == "There is no database."
    assert not data.exists()


def test_one_whose_recovery_has_ended_is_the_restored_one(stack: Stack) -> None:
    data = Path(stack.paths.data)
    aside = data.with_name("main.before")
    fill(data, {**WHOLE, "base/1": "new"})
    fill(aside, WHOLE)
    assert under_way.recovered(stack, Mark(aside, 7.0, moved=True))
    assert not under_way.recovered(stack, Mark(aside, 7.0))


def test_what_cannot_be_put_back_is_said_and_tried_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(stack.paths.data)
    aside = data.with_name("main.before")
    fill(data, HALF)
    fill(aside, WHOLE)
    mark = Mark(aside, 7.0, moved=True)
    under_way.note(stack, mark)

    def fails(*_: Any) -> None:
        raise StackctlError("rm: Read-only file system")

    monkeypatch.setattr(under_way, "as_postgres", fails)
    said = under_way.put_back(stack, mark)
    assert f"is in {aside}, and cannot be put back: rm: Read-only file system" in said
    assert under_way.read(stack) == mark


class Process:
    """One of an account, with its words."""

    def __init__(self, account: str, words: str) -> None:
        self.account, self.words = account, words.split()

    def username(self) -> str:
        return self.account

    def cmdline(self) -> list[str]:
        return self.words


COPY = "pgbackrest --stanza=stack --set=20261122-030000F --type=default restore"


@pytest.mark.parametrize(
    ("account", "words", "copies"),
    [
        ("postgres", COPY, True),
        ("postgres", "pgbackrest --process=1 --stanza=stack restore:local", True),
        (
            "postgres",
            f"{COPY.removesuffix('restore')} --pg1-path=/var/lib/x/scratch restore",
            False,
        ),
        ("postgres", COPY.replace("=stack", "=shop"), False),
        ("postgres", "pgbackrest --stanza=stack archive-push pg_wal/0", False),
        ("postgres", "postgres -D restore", False),
        ("postgres", "", False),
        ("app", COPY, False),
    ],
)
def test_only_a_copy_into_the_data_directory_is_ended(
    account: str, words: str, copies: bool
) -> None:
    process: Any = Process(account, words)
    assert under_way._copies(host_plan(), process) is copies
