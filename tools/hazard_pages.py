"""The pages in docs/hazards, from the catalogue and from the tests that are marked with a hazard.

A test that is marked `@pytest.mark.hazard("H012")` reproduces the hazard, or shows that its fix holds.
`GOLDEN=write pytest tests/contract/test_hazard_pages.py` writes the pages.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from pgstack.hazards import CATALOGUE, Detector, Hazard

DETECTORS: tuple[Detector, ...] = ("audit", "guard", "check", "verify")
HEAD = """# Hazards of a transaction pooler

What works on a connection of one's own and breaks when each transaction may get another backend. `stack_audit` reads
code and settings ([how to use it](../audit.md)), the guard in `pgstack.db` looks at the statements that are sent,
`manage.py check` looks at the settings, `stack_verify` at the running servers. "Tests" counts those that reproduce the
hazard on a real PgBouncer or show that its fix holds.

These pages are generated: the text is in `app/pgstack/hazards/`.

| hazard | severity | audit | guard | check | verify | tests |
| --- | --- | --- | --- | --- | --- | --- |
"""
Tests = Mapping[str, list[str]]


def pages(tests: Path) -> dict[str, str]:
    """Every page by its name. `tests` is the directory with the marked tests."""
    marked = marked_tests(tests)
    found = {f"{hazard.id}.md": _page(hazard, marked.get(hazard.id, [])) for hazard in CATALOGUE.values()}
    return {"README.md": HEAD + "".join(_row(one, marked.get(one.id, [])) for one in CATALOGUE.values()), **found}


def marked_tests(tests: Path) -> Tests:
    """The tests of each hazard as `path::name`, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        text = path.read_text()
        if "mark.hazard(" not in text:
            continue
        tree = ast.parse(text)
        of_all = [one.value for one in tree.body if isinstance(one, ast.Assign) and "pytestmark" in ast.unparse(one)]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for hazard in _hazards([*of_all, *node.decorator_list]):
                    found[hazard].append(f"{path.relative_to(tests.parent)}::{node.name}")
    return found


def _hazards(marks: list[ast.expr]) -> Iterator[str]:
    for mark in (node for one in marks for node in ast.walk(one)):
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.hazard":
            yield from (str(one.value) for one in mark.args if isinstance(one, ast.Constant))


def _row(hazard: Hazard, tests: list[str]) -> str:
    detected = ["yes" if one in hazard.detected_by else "" for one in DETECTORS]
    title = hazard.title.replace("|", "\\|")
    cells = [f"[{hazard.id}]({hazard.id}.md) {title}", hazard.severity, *detected, str(len(tests) or "")]
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |")


def _page(hazard: Hazard, tests: list[str]) -> str:
    proven = "".join(f"- `{one}`\n" for one in tests) or "None yet.\n"
    return (
        f"# {hazard.id}: {hazard.title}\n\n"
        f"**What happens.** {hazard.breaks}\n\n"
        f"**Fix.** {hazard.fix}\n\n"
        f"Before:\n\n```\n{hazard.before}\n```\n\n"
        f"After:\n\n```\n{hazard.after}\n```\n\n"
        f"**Severity:** {hazard.severity}. **Detected by:** {_detectors(hazard)}.\n\n"
        f"To accept a place where it is meant: `# stack: allow {hazard.id} reason`.\n\n"
        f"**Tests**\n\n{proven}\n"
        "[All hazards](README.md)\n"
    )


def _detectors(hazard: Hazard) -> str:
    names = {"audit": "`stack_audit`", "guard": "the guard", "check": f"`{hazard.check}`", "verify": "`stack_verify`"}
    return ", ".join(names[one] for one in DETECTORS if one in hazard.detected_by) or "nothing: know it"
