"""What a host has written down of the files that it keeps."""

from __future__ import annotations

import json

import pytest

from fixtures.host_plan import host_plan
from stackctl import files, safe

PLACE = host_plan().file_backup.repository  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("noted", "known"),
    [
        ({"place": PLACE, "ended": 150, "snapshots": []}, 150),
        ({"place": "elsewhere", "ended": 150, "snapshots": []}, None),
        ([["9639cc95", 150]], None),
    ],
    ids=["here", "at another place", "in the form of an older release"],
)
def test_when_files_were_last_kept(
    noted: object, known: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe, "read", lambda _: json.dumps(noted).encode())
    assert files.last_saved(host_plan()) == known
