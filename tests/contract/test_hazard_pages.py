"""docs/hazards is what the catalogue and the marked tests say.

After a change of either: GOLDEN=write pytest tests/contract/test_hazard_pages.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from tools import hazard_pages

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
        'import pytest\n\n@pytest.mark.hazard("H012")\ndef test_role_leaks(): ...\n\ndef test_other(): ...\n'
    )
    (tests / "test_two.py").write_text(
        'import pytest\n\npytestmark = [pytest.mark.hazard("H024")]\n\ndef test_plan(): ...\n'
    )
    pages = hazard_pages.pages(tests)
    assert "- `tests/test_two.py::test_plan`\n" in pages["H024.md"]
    assert "- `tests/test_one.py::test_role_leaks`\n" in pages["H012.md"]
    assert "| [H012](H012.md) `SET ROLE`, `assume_role` | error | yes | yes | yes | | 1 |\n" in pages["README.md"]
    assert "None yet." in pages["H013.md"]
