"""Where a setting is written: the line of its own key."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from pgstack.audit.syntax import constant

_SUBJECT = re.compile(r"""(\w+)(?:\[['"]?(\w+)['"]?\])?:? ?(.*)""", re.DOTALL)
_KEYS = re.compile(r"([A-Z][A-Z_]*)(?:\['(\w+)'\])?")


def line_of(tree: ast.Module, seen: str) -> int:
    """Line of what a finding of the settings names, as `DATABASES['default']: OPTIONS['pool'] is
    set`.

    That of the key; where the key is not written, of the entry that it misses; 0 where nothing of
    it is.
    """
    match = _SUBJECT.match(seen)
    if match is None:
        return 0
    setting, alias, rest = match.groups()
    keys = _KEYS.match(rest) if alias else None
    wanted = [setting, *filter(None, (alias, *(keys.groups() if keys else (rest,))))]
    return max((_depth_and_line(node, wanted) for node in tree.body), default=(0, 0))[1]


def _depth_and_line(node: ast.stmt, wanted: Sequence[str]) -> tuple[int, int]:
    """How many of the names a statement writes, and the line of the last of them."""
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return 0, 0
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    names = _names(target)
    if not names or names != list(wanted[: len(names)]):
        return 0, 0
    depth, line, value = len(names), node.lineno, node.value
    while value is not None and depth < len(wanted):
        entry = _entry(value, wanted[depth])
        if entry is None:
            break
        depth, line, value = depth + 1, entry[0], entry[1]
    return depth, line


def _names(target: ast.expr) -> list[str]:
    """`["DATABASES", "default"]` of `DATABASES["default"]`."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Subscript):
        before = _names(target.value)
        return [*before, str(constant(target.slice))] if before else []
    return []


def _entry(value: ast.expr, name: str) -> tuple[int, ast.expr | None] | None:
    """Line and value of a dictionary's key, or line of a list's element."""
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return next(
            (
                (key.lineno, inner)
                for key, inner in pairs
                if key is not None and constant(key) == name
            ),
            None,
        )
    if isinstance(value, ast.List | ast.Tuple):
        return next(
            ((element.lineno, None) for element in value.elts if constant(element) == name), None
        )
    return None
