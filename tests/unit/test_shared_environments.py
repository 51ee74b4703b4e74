"""Virtual environments that releases of a host share: which one it is, and how long it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.host_plan import host_plan
from stackctl import environments, system
from stackctl.stack import Stack

WORD = "0123456789ab"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A host with releases one and two, and no environment yet."""
    for name in ("releases/one", "releases/two", "environments", "run"):
        (tmp_path / name).mkdir(parents=True)
    return host_plan(paths={"root": str(tmp_path), "run": str(tmp_path / "run")})


def made(stack: Stack, release: str, required: str = WORD, variables: str = "") -> Path:
    """The environment of a release, complete."""
    directory = environments.of_release(
        stack, stack.root / "releases" / release, required, variables
    )
    directory.mkdir(exist_ok=True)
    (directory / environments.COMPLETE).touch()
    return directory


def test_releases_that_require_the_same_lead_to_one(stack: Stack) -> None:
    first = made(stack, "one")
    assert made(stack, "two") == first
    assert (stack.root / "releases/two/venv").readlink() == first
    assert first.parent == stack.root / "environments"


@pytest.mark.parametrize(
    "other",
    [
        {"required": "ba9876543210"},
        {"variables": 'PIP_INDEX_URL="https://index.example"\n'},
        {"versions": {"python": "3.14"}},
        {"packages": {"web": ("libpq-dev",)}},
    ],
)
def test_whatever_decides_what_is_in_it_makes_another(stack: Stack, other: dict[str, Any]) -> None:
    first, parts = made(stack, "one"), {k: v for k, v in other.items() if isinstance(v, dict)}
    words = {k: v for k, v in other.items() if isinstance(v, str)}
    changed = host_plan(paths={"root": str(stack.root), "run": str(stack.run)}, **parts)
    assert made(changed, "two", **words) != first


def test_a_release_that_had_its_own_leads_to_a_shared_one(stack: Stack) -> None:
    (stack.root / "releases/one/venv/bin").mkdir(parents=True)
    assert (stack.root / "releases/one/venv").samefile(made(stack, "one"))


def test_one_without_its_mark_is_not_complete(stack: Stack) -> None:
    release = stack.root / "releases/one"
    cut_off = environments.of_release(stack, release, WORD, "")
    (cut_off / "bin").mkdir(parents=True)
    assert not environments.is_complete(cut_off)


def test_those_that_no_release_leads_to_are_deleted(stack: Stack) -> None:
    first, two = made(stack, "one"), made(stack, "two", variables="PIP_PRE=1")
    (stack.root / "environments/.cut-off.new").mkdir()
    (stack.root / "releases/two/venv").unlink()
    environments.clear(stack)
    assert list(first.parent.iterdir()) == [first]
    assert not two.exists()


def test_nothing_is_deleted_while_a_release_is_built(stack: Stack) -> None:
    """In another process, which may just have found the one that it is to lead to."""
    two = made(stack, "two")
    (stack.root / "releases/two/venv").unlink()
    with system.exclusive_lock(stack.run, environments.LOCK):
        environments.clear(stack)
    assert two.is_dir()


def test_a_link_in_the_place_of_one_is_not_followed(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (stack.root / "environments/strange").symlink_to(tmp_path / "kept")
    environments.clear(stack)
    assert (tmp_path / "kept").is_dir()
    assert list((stack.root / "environments").iterdir()) == []
