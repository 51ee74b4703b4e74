"""A segment of WAL whose end is no part of the database's history, and one that is."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from fixtures.host_plan import planned
from stackctl import abandoned

HISTORY = """\
1\t0/80458D8\tno recovery target specified

7\t0/A078C78\tno recovery target specified

8\t1/A2320B0\tno recovery target specified
"""


@pytest.mark.parametrize(
    ("segment", "left"),
    [
        ("00000007000000000000000A", True),  # the next timeline begins in it
        ("00000007000000000000000A.partial", True),
        ("00000007000000000000000B", True),
        ("000000070000000000000009", False),  # ends before it, and is needed
        ("0000000100000000000000FF", True),
        ("00000008000000010000000A", True),
        ("000000080000000100000009", False),
        ("000000090000000100000000", False),  # the newest
        ("000000030000000000000001", True),  # of a timeline that is no part of the history
        ("00000008.history", False),
        ("000000070000000000000009.00000028.backup", False),
    ],
)
def test_what_the_history_has_no_part_of_is_left(segment: str, left: bool) -> None:
    assert abandoned.is_abandoned(segment, "00000009", HISTORY) is left


def test_a_position_on_the_border_of_segments_is_the_end_of_the_one_before() -> None:
    history = "1\t0/A000000\treason\n"
    assert not abandoned.is_abandoned("000000010000000000000009", "00000002", history)
    assert abandoned.is_abandoned("00000001000000000000000A", "00000002", history)


def test_the_newest_history_beside_the_segment_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = argparse.Namespace(file=str(tmp_path / "00000007000000000000000A"))
    assert abandoned.answer(planned(), asked) == 1
    (tmp_path / "00000007.history").write_text("1\t0/80458D8\treason\n")
    assert abandoned.answer(planned(), asked) == 1
    (tmp_path / "00000009.history").write_text(HISTORY)
    assert abandoned.answer(planned(), asked) == 0
    assert "its timeline was left before its end" in capsys.readouterr().out
