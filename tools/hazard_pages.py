"""The pages in docs/hazards, from the catalogue and from the tests that are marked with a hazard.

A test that is marked `@pytest.mark.hazard("H012", "reproduced")` shows what breaks on a real
PgBouncer; one marked `"fixed"` shows that it does not with the fix. A test can show both.
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

These things work on a connection of one's own and break when each transaction may get a different backend.
`stack_audit` reads code and settings ([how to use it](../audit.md)), the guard in `pgstack.db` looks at the statements
that are sent, `manage.py check` at the settings, `stack_verify` at the running servers. "Reproduced" and "fixed" count
the tests that show, on a real PgBouncer in transaction mode, what breaks and that the fix works.

These pages are generated: the text is in `app/pgstack/hazards/`.

| hazard | severity | audit | guard | check | verify | reproduced | fixed |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
SHOWS = {"reproduced": "Reproduced by", "fixed": "Shown to be fixed by"}
Tests = Mapping[str, list[str]]
"""what a mark says to the tests that say it, as `path::name`"""


def pages(tests: Path) -> dict[str, str]:
    """Every page by its name. `tests` is the directory with the marked tests."""
    marked = marked_tests(tests)
    by_name = {
        f"{hazard.id}.md": _page(hazard, marked.get(hazard.id, {})) for hazard in CATALOGUE.values()
    }
    return {
        "README.md": HEAD
        + "".join(_row(hazard, marked.get(hazard.id, {})) for hazard in CATALOGUE.values()),
        **by_name,
    }


def marked_tests(tests: Path) -> Mapping[str, Tests]:
    """The tests of each hazard, in order.

    Raises:
        ValueError: a mark says neither `"reproduced"` nor `"fixed"`, or something else.
    """
    marked: dict[str, dict[str, list[str]]] = defaultdict(lambda: {show: [] for show in SHOWS})
    for path in sorted(tests.rglob("test_*.py")):
        text = path.read_text()
        if "mark.hazard(" not in text:
            continue
        tree = ast.parse(text)
        of_all = [
            statement.value
            for statement in tree.body
            if isinstance(statement, ast.Assign) and "pytestmark" in ast.unparse(statement)
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                name = f"{path.relative_to(tests.parent)}::{node.name}"
                for hazard, *shows in _marks([*of_all, *node.decorator_list]):
                    if not shows or set(shows) - set(SHOWS):
                        raise ValueError(
                            f"{name}: {hazard}: a mark says one or both of {', '.join(SHOWS)}"
                        )
                    for show in shows:
                        marked[hazard][show].append(name)
    return marked


def _marks(marks: list[ast.expr]) -> Iterator[list[str]]:
    for mark in (node for expression in marks for node in ast.walk(expression)):
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.hazard":
            yield [
                str(argument.value) for argument in mark.args if isinstance(argument, ast.Constant)
            ]


def _row(hazard: Hazard, tests: Tests) -> str:
    detected = ["yes" if detector in hazard.detected_by else "" for detector in DETECTORS]
    title = hazard.title.replace("|", "\\|")
    shown = [str(len(tests.get(show, ())) or "") for show in SHOWS]
    cells = [f"[{hazard.id}]({hazard.id}.md) {title}", hazard.severity, *detected, *shown]
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |")


def _page(hazard: Hazard, tests: Tests) -> str:
    proven = "\n".join(
        f"**{says}**\n\n"
        + ("".join(f"- `{test}`\n" for test in tests.get(shows, ())) or "- nothing yet\n")
        for shows, says in SHOWS.items()
    )
    return (
        f"# {hazard.id}: {hazard.title}\n\n"
        f"**What happens.** {hazard.breaks}\n\n"
        f"**Fix.** {hazard.fix}\n\n"
        f"Before:\n\n```\n{hazard.before}\n```\n\n"
        f"After:\n\n```\n{hazard.after}\n```\n\n"
        f"**Severity:** {hazard.severity}. **Detected by:** {_detectors(hazard)}.\n\n"
        f"To accept a place where it is meant: `# stack: allow {hazard.id} reason`.\n\n"
        f"{proven}\n"
        "[All hazards](README.md)\n"
    )


def _detectors(hazard: Hazard) -> str:
    names = {
        "audit": "`stack_audit`",
        "guard": "the guard",
        "check": f"`{hazard.check}`",
        "verify": "`stack_verify`",
    }
    return (
        ", ".join(names[detector] for detector in DETECTORS if detector in hazard.detected_by)
        or "nothing: know it"
    )
