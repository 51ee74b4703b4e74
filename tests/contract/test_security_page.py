"""docs/security.md is what tools/security.toml says, which names tests that exist.

After a change of it: GOLDEN=write pytest tests/contract/test_security_page.py.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from tools import security_page

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "security.md"


def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }


def test_the_page_is_what_the_items_say() -> None:
    expected = security_page.page()
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(expected)
    assert PAGE.read_text() == expected


def test_all_items_of_the_checklist_are_there_once() -> None:
    assert len({item["text"] for item in security_page.items()}) == len(security_page.items()) == 50


@pytest.mark.parametrize("item", security_page.items(), ids=lambda item: item["text"])
def test_every_test_that_an_item_names_exists(item: dict[str, object]) -> None:
    named = [name.split("::") for name in security_page.tests(item)]
    assert [name for name in named if name[1] not in functions(CHECKOUT / name[0])] == []


@pytest.mark.parametrize("item", security_page.items(), ids=lambda item: item["text"])
def test_an_item_is_held_on_every_target_or_says_why_not(item: dict[str, object]) -> None:
    missing = [target for target in security_page.SERVED if not item[target]]
    assert not missing or item["note"], f"no test on {missing}, and no note that says why"
    assert not item["alike"] or item["local"], (
        "it cannot be as locally where nothing is tried locally"
    )
