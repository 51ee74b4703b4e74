"""docs/drills.md names every drill, as it is in the catalogue."""

from __future__ import annotations

from drills import page
from drills.every import DRILLS


def test_the_page_has_a_row_for_every_drill() -> None:
    rows = [
        line.split(" | ") for line in page.PAGE.read_text().splitlines() if line.startswith("| ")
    ][2:]
    told = {
        row[0].removeprefix("| "): (row[1], row[-2], row[-1].removesuffix(" |")) for row in rows
    }
    assert told == {drill.name: (drill.broken, drill.told, drill.back) for drill in DRILLS}
    assert [row[4] for row in rows] == ["0"] * len(DRILLS), "an acknowledged write was lost"
