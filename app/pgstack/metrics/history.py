"""The last hour of the page's lines, and what happened in it: in memory, of bounded size, and gone
when the exporter ends."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

INTERVAL_SECONDS = 5
HOUR = 3600
POINTS = HOUR // INTERVAL_SECONDS
MARKS = 100
MERGED_SECONDS = 60.0
"""processes of one release start within this time of one another"""
DIGITS = 4
DAY = 86400.0
TELLING_SECONDS = 1800
"""of free space at least: a shorter series says nothing about days"""


@dataclass(frozen=True)
class Mark:
    """Something that happened at a time, in seconds since 1970."""

    time: float
    kind: str
    text: str


class History:
    """Numbers by name, as single precision: 4 bytes each."""

    def __init__(self, names: tuple[str, ...], points: int = POINTS) -> None:
        self.names, self._points = names, points
        self._times: deque[float] = deque(maxlen=points)
        self._rows: deque[array[float]] = deque(maxlen=points)
        self._marks: deque[Mark] = deque(maxlen=MARKS)

    def add(self, time: float, point: Mapping[str, float | None]) -> None:
        """Add a point; the oldest one is dropped."""
        values = (point.get(name) for name in self.names)
        self._times.append(round(time, 1))
        self._rows.append(array("f", (math.nan if v is None else v for v in values)))

    def mark(self, time: float, kind: str, text: str) -> None:
        """Note what happened; a repetition soon afterwards counts as the same event."""
        last = next((m for m in reversed(self._marks) if (m.kind, m.text) == (kind, text)), None)
        if last is None or time - last.time > MERGED_SECONDS:
            self._marks.append(Mark(time, kind, text))

    def since(self, time: float) -> dict[str, Any]:
        """Points after that time, column by column, and all marks."""
        first = next((place for place, at in enumerate(self._times) if at > time), None)
        rows = [] if first is None else list(self._rows)[first:]
        times = [] if first is None else list(self._times)[first:]
        columns = zip(*rows, strict=True) if rows else ([] for _ in self.names)
        return {
            "time": times,
            "lines": {
                name: [short(value) for value in column]
                for name, column in zip(self.names, columns, strict=True)
            },
            "marks": [asdict(mark) for mark in self._marks],
        }

    def days_left(self, name: str) -> float | None:
        """Days until that number is 0 at the pace of what is kept; None where it does not fall."""
        place = self.names.index(name)
        known = [
            (at, row[place])
            for at, row in zip(self._times, self._rows, strict=True)
            if not math.isnan(row[place])
        ]
        if len(known) < 2 or known[-1][0] - known[0][0] < TELLING_SECONDS:
            return None
        (start, first), (end, last) = known[0], known[-1]
        if last >= first:
            return None
        return last / ((first - last) / (end - start)) / DAY


def short(value: float) -> float | None:
    """With so many digits: JSON has no other way to be small. None for what is no number."""
    return None if not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
