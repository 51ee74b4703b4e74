"""Names that say what is in them, and no line that keeps its own layout."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CODE = ("ansible", "apache", "app", "host", "loadtest", "tests", "tools")
SAY_NOTHING = {"found", "one"}


def modules() -> Iterator[tuple[str, str]]:
    """Path and text of each module."""
    for top in CODE:
        for path in sorted((CHECKOUT / top).rglob("*.py")):
            yield str(path.relative_to(CHECKOUT)), path.read_text()


def bindings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of whatever gets a name: variables, arguments, attributes, functions."""
    for node in ast.walk(module):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name


def test_a_name_says_what_it_holds() -> None:
    assert [
        f"{path}:{line}: {name}"
        for path, text in modules()
        for line, name in bindings(ast.parse(text))
        if name in SAY_NOTHING
    ] == []


def test_the_formatter_lays_out_every_line() -> None:
    marks = [f"# fmt: {mark}" for mark in ("skip", "off")]
    assert [path for path, text in modules() if any(mark in text for mark in marks)] == []
