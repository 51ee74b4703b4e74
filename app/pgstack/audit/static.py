"""DATABASES as it is written in a settings module, for projects whose settings cannot be
imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pgstack.audit import setting_lines
from pgstack.audit.module import Sight
from pgstack.audit.place import DIRECT
from pgstack.hazards.databases import MERGED, UNKNOWN, hazards_of, is_postgresql

LARGEST = 4 * 1024**2
"""bytes of the largest file that is read: what is larger is data"""


def static_databases(tree: ast.Module) -> Iterator[Sight]:
    """The hazards of each alias of a dictionary that is written out."""
    for name, alias, line in _aliases(tree):
        if name not in DIRECT:
            for hazard, seen in hazards_of(alias):
                own = setting_lines.line_of(tree, f"DATABASES[{name!r}]: {seen}")
                yield Sight(hazard, own or line, f"{name}: {seen}", of_settings=True)


def written(paths: Iterable[Path]) -> tuple[bool | None, bool | None]:
    """Whether an alias goes straight to PostgreSQL, and whether every other one does without
    cursors on the server.

    By the DATABASES that are written out in these files; None where there is none.
    """
    aliases = [entry for path in paths if path.suffix == ".py" for entry in _read(path)]
    pooled = [alias for name, alias, _ in aliases if name not in DIRECT]
    if not aliases:
        return None, None
    off = all(alias.get("DISABLE_SERVER_SIDE_CURSORS") is True for alias in pooled)
    return any(name in DIRECT for name, _, _ in aliases), bool(pooled) and off


def _read(path: Path) -> list[tuple[Any, dict[Any, Any], int]]:
    try:
        raw = path.read_bytes() if path.is_file() and path.stat().st_size <= LARGEST else b""
        return list(_aliases(ast.parse(raw))) if b"DATABASES" in raw else []
    except (
        OSError,
        SyntaxError,
        ValueError,
        RecursionError,
    ):  # which the audit of the file reports
        return []


def _aliases(tree: ast.Module) -> Iterator[tuple[Any, dict[Any, Any], int]]:
    """Name, entry and line of each alias of PostgreSQL."""
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Dict)
            and _name(node) == "DATABASES"
        ):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                alias = _value(value)
                if isinstance(alias, dict) and is_postgresql(alias):
                    yield _constant(key), alias, value.lineno


def _name(node: ast.Assign) -> str:
    target = node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _constant(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else UNKNOWN


def _value(node: ast.expr) -> Any:
    """The value of a literal; the key MERGED stands for what is merged into a dictionary from
    elsewhere."""
    if isinstance(node, ast.Dict):
        return {
            MERGED if key is None else _constant(key): _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
        }
    return _constant(node)
