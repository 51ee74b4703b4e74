"""docs/hazards is what the catalogue and the marked tests say.

After a change of either: GOLDEN=write pytest tests/contract/test_hazard_pages.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tools import hazard_pages

from pgstack.hazards import CATALOGUE

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = CHECKOUT / "docs" / "hazards"


def test_the_pages_are_what_the_catalogue_says() -> None:
    expected = hazard_pages.pages(CHECKOUT / "tests")
    if os.environ.get("GOLDEN") == "write":
        PAGES.mkdir(exist_ok=True)
        for name, text in expected.items():
            (PAGES / name).write_text(text)
    assert {page.name: page.read_text() for page in PAGES.iterdir()} == expected


def test_a_marked_test_is_counted(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_one.py").write_text(
        'import pytest\n\n@pytest.mark.hazard("H012", "reproduced", "fixed")\n'
        "def test_role(): ...\n\ndef test_other(): ...\n"
    )
    (tests / "test_two.py").write_text(
        'import pytest\n\npytestmark = [pytest.mark.hazard("H024", "reproduced")]\n\ndef '
        "test_plan(): ...\n"
    )
    pages = hazard_pages.pages(tests)
    assert "- `tests/test_two.py::test_plan`\n" in pages["H024.md"]
    line = "- `tests/test_one.py::test_role`\n"
    assert f"**Reproduced by**\n\n{line}\n**Shown to be fixed by**\n\n{line}" in pages["H012.md"]
    assert (
        "| [H012](H012.md) `SET ROLE`, `assume_role` | error | yes | yes | yes | | 1 | 1 |\n"
        in pages["README.md"]
    )
    assert "**Reproduced by**\n\n- nothing yet\n" in pages["H013.md"]


def test_every_hazard_is_reproduced_and_shown_to_be_fixed() -> None:
    marked = hazard_pages.marked_tests(CHECKOUT / "tests")
    assert {
        hazard: shows
        for hazard in CATALOGUE
        for shows in hazard_pages.SHOWS
        if not marked[hazard][shows]
    } == {}


@pytest.mark.parametrize("mark", ['"H012"', '"H012", "solved"'])
def test_a_mark_that_does_not_say_what_it_shows_is_refused(tmp_path: Path, mark: str) -> None:
    (tmp_path / "test_one.py").write_text(f"@pytest.mark.hazard({mark})\ndef test_role(): ...\n")
    with pytest.raises(
        ValueError, match="test_role: H012: a mark says one or both of reproduced, fixed"
    ):
        hazard_pages.pages(tmp_path)
