"""Files that cannot be read to their end are named, and the others are read."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pgstack.audit import workers
from pgstack.audit.files import Outcome
from pgstack.audit.finding import Finding


def read(path: Path, name: str) -> Outcome:
    """What stands in for the reader: it does what the file's name says."""
    match path.stem:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "large":
            bytearray(2 * workers.MOST_BYTES)
        case "long":
            while True:
                pass
    return [Finding(name, 1, "H019", "LISTEN")], [], []


@pytest.mark.parametrize("count", [3, 200])
def test_a_file_that_does_not_come_to_an_end_is_named_and_passed_over(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MOST_SECONDS", 1)
    names = [f"file{number:03d}" for number in range(count)]
    odd = {
        "killed": "the process that read it was ended",
        "large": "more than 1024 MB",
        "long": "more than 1 s",
    }
    names[1:1] = odd
    names[-1:-1] = ["killed"]
    outcomes = list(workers.outcomes([Path(name) for name in names], names, read))
    assert len(outcomes) == len(names)
    for name, (findings, _, problems) in zip(names, outcomes, strict=True):
        if name in odd:
            assert [(problem.path, problem.severity) for problem in problems] == [(name, "warning")]
            assert odd[name] in problems[0].text
        else:
            assert [finding.path for finding in findings] == [name]
            assert problems == []
