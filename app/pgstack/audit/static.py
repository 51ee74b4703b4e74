"""DATABASES as it is written in a settings module, for projects whose settings cannot be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from pgstack.audit.module import Sight
from pgstack.audit.place import DIRECT
from pgstack.hazards.databases import MERGED, UNKNOWN, hazards_of, is_postgresql


def static_databases(tree: ast.Module) -> Iterator[Sight]:
    """The hazards of each alias of a dictionary that is written out."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and _name(node) == "DATABASES":
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                alias = _value(value)
                if not isinstance(alias, dict) or not is_postgresql(alias) or _constant(key) in DIRECT:
                    continue
                for hazard, seen in hazards_of(alias):
                    yield Sight(hazard, value.lineno, f"{_constant(key)}: {seen}", of_settings=True)


def _name(node: ast.Assign) -> str:
    target = node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _constant(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else UNKNOWN


def _value(node: ast.expr) -> Any:
    """The value of a literal; the key MERGED stands for what is merged into a dictionary from elsewhere."""
    if isinstance(node, ast.Dict):
        return {
            MERGED if key is None else _constant(key): _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
        }
    return _constant(node)
