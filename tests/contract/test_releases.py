"""The tools run with a bare Python and cannot ask the planner: what both know about a release must agree."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from pgstack import layout, sizing
from pgstack.config import StackConfig
from pgstack.errors import TargetError
from pgstack.hardware import Hardware
from pgstack.targets import local

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("install")


def test_tools_and_planner_know_the_same_releases(install: ModuleType) -> None:
    planned = {
        str(release): (str(versions.postgresql), versions.python.removeprefix("3."))
        for release, versions in layout.VERSIONS.items()
    }
    assert {release: (install.POSTGRESQL[release], install.PYTHON_MINOR[release]) for release in planned} == planned
    assert set(install.debian.SUPPORTED) == set(planned)


@pytest.mark.parametrize("release", [12, 13])
def test_what_the_local_target_misses_is_what_make_installs(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, release: int
) -> None:
    plan = sizing.plan(StackConfig(), Hardware(cores=2, memory=2 * 1024**3, debian=release, open_files=65536))
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(TargetError) as caught:
        local._require_packages(plan)
    missing = str(caught.value).removeprefix("missing packages: ").partition(". As root")[0].split(", ")
    assert [*missing, "python3-venv"] == list(install.packages(str(release)).values())
