"""A disk without room for PostgreSQL's next file of WAL is named before it ends."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from test_cluster_plan import planned

from pgstack.ops import postgres as server
from stackctl import postgres, status, system
from stackctl.stack import Stack

SEGMENT = 16 * 1024**2
SAID = "16383 kB are free for its WAL; it ends when it needs 16 MB"


@pytest.mark.parametrize(("free", "said"), [(SEGMENT, ""), (SEGMENT - 1, SAID)])
def test_it_is_full_when_a_segment_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    asked: list[str] = []

    def usage(path: str) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert server.full("/data") == said
    assert asked == ["/data/pg_wal"]


@pytest.mark.parametrize(
    ("trouble", "full", "good", "text"),
    [
        ("", "", True, "runs"),
        ("", SAID, False, f"runs; {SAID}"),
        ("refused", SAID, False, f"runs, does not answer: refused; {SAID}"),
    ],
)
def test_a_host_says_so(
    monkeypatch: pytest.MonkeyPatch, trouble: str, full: str, good: bool, text: str
) -> None:
    monkeypatch.setattr(system, "active", lambda _: True)
    monkeypatch.setattr(system, "stopped", lambda _: [])
    monkeypatch.setattr(postgres, "trouble", lambda *_: trouble)
    monkeypatch.setattr(server, "full", lambda _: full)
    line = status.of_postgres(cast("Stack", planned("db1")))
    assert (line.good, line.text) == (good, text)


def test_a_member_without_data_yet_is_not_full(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        server.full(str(tmp_path))
    monkeypatch.setattr(system, "active", lambda _: True)
    monkeypatch.setattr(system, "stopped", lambda _: [])
    monkeypatch.setattr(postgres, "trouble", lambda *_: "")
    monkeypatch.setattr(server, "full", lambda _: shutil.disk_usage(tmp_path / "none").free)
    assert status.of_postgres(cast("Stack", planned("db1"))).text == "runs"
