"""The tools know the code names of Debian's releases, the planner their versions: both must know the same releases."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from pgstack.packages import RELEASES

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def test_tools_and_planner_know_the_same_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOOLS)
    assert set(importlib.import_module("debian").SUPPORTED) == {str(release) for release in RELEASES}
