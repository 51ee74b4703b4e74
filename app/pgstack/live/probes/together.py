"""What several PgBouncers of a host say, as one would say it: their pools are parts of one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pgstack.live.probes.console import Rows

KEYS = {
    "POOLS": ("database", "user"),
    "STATS": ("database",),
    "STATS_TOTALS": ("database",),
    "DATABASES": ("name",),
}
"""columns that tell the rows of an answer apart; rows of any other are all shown"""
SUMMED = re.compile(
    r"(cl|sv|total)_\w+|\w+_count|bytes_\w+|\w+_time|(min_|reserve_)?pool(_size)?|reserve_pool|"
    r"\w+_connections"
)
"""columns that count something"""
LONGEST = ("maxwait", "maxwait_us")
"""of the client that has waited longest, together"""
LARGEST = ("paused", "disabled")
SETTINGS = ("default_pool_size", "min_pool_size", "reserve_pool_size", "max_db_connections")
"""those that each has a part of"""


def together(what: str, answers: Sequence[Rows]) -> Rows:
    """Rows of `SHOW what` from those of each PgBouncer; those of the only one as they are."""
    if len(answers) == 1:
        return answers[0]
    if what == "CONFIG":
        return _settings(answers)
    rows = [row for answer in answers for row in answer]
    if what not in KEYS:
        return rows
    parts: dict[tuple[object, ...], Rows] = {}
    for row in rows:
        parts.setdefault(tuple(row[key] for key in KEYS[what]), []).append(row)
    return [_row(same) for same in parts.values()]


def _row(same: Rows) -> dict[str, object]:
    longest = max(same, key=lambda row: [float(row.get(name) or 0) for name in LONGEST])
    row = dict(same[0])
    for name, value in row.items():
        if name in LONGEST:
            row[name] = longest[name]
        elif name in LARGEST:
            row[name] = max(int(part[name]) for part in same)
        elif SUMMED.fullmatch(name) and value is not None:
            row[name] = sum(int(part[name] or 0) for part in same)
    return row


def _settings(answers: Sequence[Rows]) -> Rows:
    values = [{row["key"]: row["value"] for row in answer} for answer in answers]
    return [
        {**row, "value": str(sum(int(part[row["key"]]) for part in values))}
        if row["key"] in SETTINGS
        else row
        for row in answers[0]
    ]
