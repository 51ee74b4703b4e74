"""Reading a queryset through a cursor on the server."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pgstack.audit.module import Module
from pgstack.audit.place import Place, follows, is_direct, opens_transaction
from pgstack.audit.syntax import constant, keyword, name_of

Shown = Iterator[tuple[str, ast.AST]]

_NOT_HERE = frozenset({"super", "select_for_update"})
"""an override that passes the call on; what Django refuses outside of a transaction"""


def calls(node: ast.Call, place: Place, module: Module) -> Shown:
    """Hazards of a call, and the node that shows them."""
    name = name_of(node)
    if place.atomic or place.migration:
        return
    if (
        name == "chunked_cursor" and not is_direct(node.func, module.values, place.scopes)
    ) or _is_iterator(node, place, module):
        yield "H001", node
    elif name == "cursor" and constant(keyword(node, "withhold")):
        yield "H006", node
    elif name == "next" and any(
        isinstance(argument, ast.Call) and _is_iterator(argument, place, module)
        for argument in node.args
    ):
        yield "H004", node


def loops(node: ast.For | ast.AsyncFor, place: Place, module: Module) -> Shown:
    """Hazards of a loop over an iterator: transactions within it."""
    if (
        place.atomic
        or not isinstance(node.iter, ast.Call)
        or not _is_iterator(node.iter, place, module)
    ):
        return
    opened = (
        item.context_expr
        for statement in node.body
        for part in ast.walk(statement)
        if isinstance(part, ast.With)
        for item in part.items
    )
    if any(opens_transaction(expression) for expression in opened):
        yield "H005", node.iter


def _is_iterator(node: ast.Call, place: Place, module: Module) -> bool:
    """Whether it is `.iterator()` of a queryset. In a module about Django any is; elsewhere one at
    the end of calls."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("iterator", "aiterator"):
        return False
    if len(node.args) > 1 or any(word.arg not in ("chunk_size", None) for word in node.keywords):
        return False
    if is_direct(node.func, module.values, place.scopes):
        return False
    parts = list(follows(node.func.value, module.values, place.scopes))
    names = {name_of(part) for part in parts}
    if names & _NOT_HERE or name_of(next(iter(node.args), node)) == "self":
        return False
    fluent = any(isinstance(part, ast.Call) for part in parts)
    return (
        module.is_django or fluent or "objects" in names or keyword(node, "chunk_size") is not None
    )
