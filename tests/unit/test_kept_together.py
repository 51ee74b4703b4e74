"""Backups of the local target and Compose: which are whole, with rows and without."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pgstack.errors import TargetError
from pgstack.ops import together
from pgstack.ops.restic import Repository

pytestmark = pytest.mark.skipif(
    not shutil.which("restic"), reason="restic is missing; apt-get install restic"
)


@pytest.fixture
def kept(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path / "kept"), {"RESTIC_PASSWORD": "word"})
    made.make()
    return made


def keep(kept: Repository, tree: Path, name: str, *, rows: bool, files: bool = True) -> None:
    tree.mkdir(exist_ok=True)
    (tree / "photo").write_text(name)
    if rows:
        kept.save_output(["echo", "rows"], together.DUMP, f"{together.LABEL}{name}")
    if files:
        kept.save([tree], f"{together.LABEL}{name}")


def test_a_stack_that_keeps_its_rows_is_given_none_without(
    kept: Repository, tmp_path: Path
) -> None:
    keep(kept, tmp_path / "media", "first", rows=True)
    keep(kept, tmp_path / "media", "second", rows=False)
    keep(kept, tmp_path / "media", "cut-off", rows=True, files=False)
    assert together.choose(kept, "", with_rows=True).name == "first"
    chosen = together.choose(kept, "", with_rows=False)
    assert (chosen.name, chosen.rows, chosen.moment) == ("second", None, chosen.files.moment)
    assert "second: no rows, files as of" in chosen.text


def test_files_alone_are_no_backup_of_a_database(kept: Repository, tmp_path: Path) -> None:
    keep(kept, tmp_path / "media", "files", rows=False)
    with pytest.raises(TargetError, match="holds no backup of a database yet"):
        together.choose(kept, "", with_rows=True)


def test_another_passphrase_opens_nothing_and_is_told(kept: Repository) -> None:
    with pytest.raises(TargetError, match="made with another passphrase"):
        Repository(kept.place, {"RESTIC_PASSWORD": "another"}).make()
