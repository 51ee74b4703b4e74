"""Which target a command without TARGET means, by what runs; without an engine and without a stack."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
ASKS = "Name one: TARGET=local or TARGET=compose."


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(TOOLS)
    monkeypatch.chdir(TOOLS)  # it goes to the checkout
    return importlib.import_module("target")


def machine(
    monkeypatch: pytest.MonkeyPatch, target: ModuleType, local: bool, states: str, engine: bool
) -> None:
    """`states` of this checkout's containers, beside one of another checkout."""
    rows = [(state, target.ROOT) for state in states.split()]
    monkeypatch.setattr(target, "local_runs", lambda: local)
    monkeypatch.setattr(target, "containers", lambda: [*rows, ("running", Path("/elsewhere"))])
    monkeypatch.setattr(target, "engine_answers", lambda: engine)


@pytest.mark.parametrize(
    ("goal", "local", "states", "engine", "meant"),
    [
        ("up", False, "", True, "compose"),
        ("up", False, "", False, "local"),
        ("up", True, "", True, "local"),
        ("up", True, "exited", True, "local"),
        ("up", False, "exited", True, "compose"),
        ("reload", True, "", True, "local"),
        ("reload", True, "exited", True, "local"),
        ("reload", False, "running", True, "compose"),
        ("down", False, "exited exited", True, "compose"),
        ("restore", False, "paused", True, "compose"),
    ],
)
def test_a_command_takes_what_this_checkout_has_running(
    monkeypatch: pytest.MonkeyPatch,
    target: ModuleType,
    goal: str,
    local: bool,
    states: str,
    engine: bool,
    meant: str,
) -> None:
    machine(monkeypatch, target, local, states, engine)
    assert target.meant(goal) == meant


@pytest.mark.parametrize("goal", ["up", "down", "status", "restore"])
def test_where_both_run_it_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, target: ModuleType, goal: str
) -> None:
    machine(monkeypatch, target, True, "running", True)
    with pytest.raises(target.ToolError) as refused:
        target.meant(goal)
    assert str(refused.value) == (
        f"{goal}: both targets of this checkout run, local and compose. {ASKS}"
    )


@pytest.mark.parametrize(("goal", "status"), [("down", 0), ("status", 1), ("reload", 2)])
def test_where_none_runs_it_says_how_to_start(
    monkeypatch: pytest.MonkeyPatch,
    target: ModuleType,
    capsys: pytest.CaptureFixture[str],
    goal: str,
    status: int,
) -> None:
    machine(monkeypatch, target, False, "", True)
    with pytest.raises(SystemExit) as ended:
        target.meant(goal)
    assert ended.value.code == status
    assert capsys.readouterr().err == (
        f"{goal}: nothing of this checkout runs. `make up` starts it.\n"
    )


def test_a_restore_has_to_be_told_where(
    monkeypatch: pytest.MonkeyPatch, target: ModuleType
) -> None:
    machine(monkeypatch, target, False, "", True)
    with pytest.raises(target.ToolError, match=r"^restore: nothing of this checkout runs\."):
        target.meant("restore")
