"""Backups of a local stack whose PostgreSQL is somebody else's: files alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import local_stack
from fixtures.external_server import Server
from fixtures.local_stack import LocalStack

pytestmark = pytest.mark.skipif(
    not shutil.which("restic"), reason="restic is missing; apt-get install restic"
)


@pytest.fixture
def external_stack(external_server: Server) -> Iterator[LocalStack]:
    external_server.clear()
    with local_stack.started(**external_server.inputs()) as running:
        yield running


@pytest.mark.slow
def test_files_are_kept_and_come_back_without_rows(
    external_stack: LocalStack, external_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the output says whose the rows are."""
    photo, rows = external_stack.directory / "media/photo", "SELECT count(*) FROM world"
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        monkeypatch.setenv("XDG_CONFIG_HOME", f"{place}/config")
        inputs = {"STACK_BACKUP": "local", "STACK_BACKUP_PATH": f"{place}/backups"}
        photo.write_text("of the visitor")
        kept = external_stack.manage("stack_local", "backup", **inputs)
        assert kept.returncode == 0, kept.stderr
        assert "no rows, files as of" in kept.stdout
        assert "not kept  the database is in no backup of the stack" in kept.stdout
        photo.write_text("spoilt")
        refused = external_stack.manage("stack_local", "restore", **inputs)
        assert (refused.returncode, "OVERWRITE=yes" in refused.stderr) == (2, True)
        there = external_server.run(rows)
        back = external_stack.manage("stack_local", "restore", "--overwrite=yes", **inputs)
        assert back.returncode == 0, back.stderr
    assert "its administrator keeps and restores it" in back.stdout
    assert photo.read_text() == "of the visitor"
    assert external_server.run(rows) == there
    assert external_stack.answers()
