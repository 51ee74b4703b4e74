"""The entry point of PostgreSQL's container: it serves no empty database beside rows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "postgres/entrypoint.py"


@pytest.fixture(scope="module")
def entry_point() -> ModuleType:
    described = importlib.util.spec_from_file_location("entry_point", FILE)
    assert described
    assert described.loader
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """With the data of 15."""
    (tmp_path / "15/main").mkdir(parents=True)
    (tmp_path / "15/main/PG_VERSION").write_text("15\n")
    return tmp_path


def test_an_empty_database_beside_the_rows_of_another_version_is_refused(
    entry_point: ModuleType, volume: Path
) -> None:
    with pytest.raises(entry_point.StartError, match="data of PostgreSQL 15, which 17 cannot read"):
        entry_point.require_rows(volume / "17/main", "17")


def test_a_version_with_rows_of_its_own_is_served(entry_point: ModuleType, volume: Path) -> None:
    entry_point.require_rows(volume / "15/main", "15")
    (volume / "17/main").mkdir(parents=True)
    (volume / "17/main/PG_VERSION").write_text("17\n")
    entry_point.require_rows(volume / "17/main", "17")
    entry_point.require_rows(volume / "15/main", "15")


def test_a_new_volume_is_filled(entry_point: ModuleType, tmp_path: Path) -> None:
    entry_point.require_rows(tmp_path / "17/main", "17")


def test_some_of_the_rows_are_not_served(entry_point: ModuleType, volume: Path) -> None:
    (volume / "17/main").mkdir(parents=True)
    (volume / "17/main/PG_VERSION").write_text("17\n")
    (volume / "17/upgrading").touch()
    with pytest.raises(entry_point.StartError, match="the upgrade to PostgreSQL 17 was cut off"):
        entry_point.require_rows(volume / "17/main", "17")
    entry_point.require_rows(volume / "15/main", "15")
