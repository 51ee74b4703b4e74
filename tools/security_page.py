"""docs/security.md: each item of the security checklist with the tests that hold it, from
tools/security.toml.

`GOLDEN=write pytest tests/contract/test_security_page.py` writes the page.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

ITEMS = Path(__file__).with_name("security.toml")
TARGETS = ("local", "compose", "host")
SERVED = ("compose", "host")
"""targets that serve others: what they lack, a note explains"""
HEAD = """# Security

Each line is something that holds, with the test that would fail if it did not. "Locally" is a stack of the local
target; most tests there first open something up and see it detected. "As locally" means that the same template renders
the file on this target, and that `stack_verify` found it in force there. Accounts and files of a host are on [its
page](host.md#accounts-on-a-host-and-what-each-may-do), and [HTTP](http.md) shows which requests reach Django.

This page is generated from `tools/security.toml`; every test that it names exists, which is tested too.
"""
NAMES = {"local": "Locally", "compose": "Compose", "host": "Host"}


def items() -> list[dict[str, Any]]:
    """Area, text, tests by target and note of each item, in order, with every test in full.

    Raises KeyError for an item without an area or a text.
    """
    data = tomllib.loads(ITEMS.read_text())
    return [_item(given, data["verify"]) for given in data["item"]]


def tests(item: dict[str, Any]) -> Iterator[str]:
    """Every test that an item names, as `tests/file.py::name`."""
    yield from (name for target in TARGETS for name in item[target])


def page() -> str:
    """The page."""
    parts = [HEAD]
    number = 0
    for area, group in groupby(items(), key=lambda item: str(item["area"])):
        columns = " | ".join(NAMES[target] for target in TARGETS)
        parts.append(f"\n## {area}\n\n| | | {columns} | |\n| --- | --- | --- | --- | --- | --- |\n")
        for item in group:
            number += 1
            cells = [_cell(item[target], alike=target in item["alike"]) for target in TARGETS]
            parts.append(
                f"| {' | '.join([str(number), item['text'], *cells, item['note']])} |\n".replace(
                    "|  |", "| |"
                )
            )
    return "".join(parts)


def _item(given: dict[str, Any], verify: dict[str, str]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "area": given["area"],
        "text": given["text"],
        "note": given.get("note", ""),
        "alike": [],
    }
    for target in TARGETS:
        named = list(given.get(target, ()))
        item["alike"] += [target] if "alike" in named else []
        item[target] = [
            _full(verify[target] if test in ("alike", "verify") else test) for test in named
        ]
    return item


def _full(name: str) -> str:
    module, _, function = name.partition("::")
    return f"tests/{module}.py::test_{function}"


def _cell(names: Iterable[str], *, alike: bool) -> str:
    links = [
        f"[{name.partition('::test_')[2].replace('_', ' ')}](../{name.partition('::')[0]})"
        for name in names
    ]
    return ("as locally, " if alike else "") + ", ".join(links)
