"""Segments of WAL that the repository of backups has with another content: of a timeline that was
left before its end nobody needs them.

A leader that is cut off writes on for some seconds, and its last segment goes to the repository.
Other members have that segment too, with another end, and pg_rewind carries files from member to
member. What PostgreSQL is to archive and cannot holds up all that comes after it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from .stack import Stack

SEGMENT_BYTES = 16 * 1024**2
"""PostgreSQL's default, which Debian has"""
NAME = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?")
ENDED = re.compile(r"^(\d+)\t([0-9A-F]+)/([0-9A-F]+)\t", re.MULTILINE)
"""a line of a history: a timeline, and the position at which the next one begins"""


def answer(_: Stack, asked: argparse.Namespace) -> int:
    """Whether it is one of those: 0, and a line for PostgreSQL's log. It is asked once the
    repository has refused the file."""
    path = Path(asked.file)
    histories = sorted(path.parent.glob("*.history"))
    if not histories or not is_abandoned(path.name, histories[-1].stem, histories[-1].read_text()):
        return 1
    print(f"{path.name}: its timeline was left before its end, so the repository's stays")
    return 0


def is_abandoned(segment: str, newest: str, history: str) -> bool:
    """Whether a segment of an older timeline than the `newest`, which has this history, has an end
    that is no part of it."""
    name = NAME.fullmatch(segment)
    if name is None:
        return False
    timeline, high, number = (int(part, 16) for part in name.groups()[:3])
    if timeline >= int(newest, 16):
        return False
    ends = {
        int(ended): int(first, 16) << 32 | int(last, 16)
        for ended, first, last in ENDED.findall(history)
    }
    return (high << 32) + (number + 1) * SEGMENT_BYTES > ends.get(timeline, 0)
