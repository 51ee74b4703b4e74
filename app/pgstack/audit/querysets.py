"""Reading a queryset through a cursor on the server."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pgstack.audit.place import Place, is_direct, opens_transaction
from pgstack.audit.syntax import constant, follows, keyword, name_of
from pgstack.audit.values import Values

_METHODS = frozenset(
    {
        "objects", "filter", "exclude", "order_by", "values", "values_list", "annotate", "select_related", "only",
        "prefetch_related", "defer", "using", "distinct", "get_queryset", "_default_manager", "_base_manager",
        "default_manager", "all_objects", "get_objects", "all",
    }
)  # fmt: skip
_MAPPING_METHODS = frozenset({"values", "all", "filter", "only"})
"""other things than querysets have methods of this name"""
_NAME = re.compile(r"(?:^|_)(?:qs|queryset|query_set|objects)\d*$")


def calls(node: ast.Call, place: Place, values: Values) -> Iterator[tuple[str, ast.AST]]:
    """Hazards of a call, and the node that shows them."""
    if place.atomic or place.migration:
        return
    if _is_iterator(node, place, values) or (name_of(node) == "chunked_cursor" and not is_direct(node.func, values, place.scopes)):
        yield "H001", node
    elif name_of(node) == "next" and node.args and isinstance(node.args[0], ast.Call):
        if _is_iterator(node.args[0], place, values):
            yield "H004", node
    elif name_of(node) == "cursor" and isinstance(node.func, ast.Attribute) and constant(keyword(node, "withhold")):
        yield "H006", node


def loops(node: ast.For | ast.AsyncFor, place: Place, values: Values) -> Iterator[tuple[str, ast.AST]]:
    """Hazards of a loop over an iterator."""
    if not isinstance(node.iter, ast.Call) or place.atomic or not _is_iterator(node.iter, place, values):
        return
    inner = (one for statement in node.body for one in ast.walk(statement))
    if any(isinstance(one, ast.With) and any(opens_transaction(item.context_expr) for item in one.items) for one in inner):
        yield "H005", node.iter


def _is_iterator(node: ast.Call, place: Place, values: Values) -> bool:
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("iterator", "aiterator"):
        return False
    if len(node.args) > 1 or any(word.arg != "chunk_size" for word in node.keywords):
        return False
    if is_direct(node.func, values, place.scopes):
        return False
    parts = list(follows(node.func.value, values, place.scopes))
    names = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    asked = names & _METHODS
    if asked - _MAPPING_METHODS or len(asked) > 1 or keyword(node, "chunk_size") is not None:
        return True
    return any(_NAME.search(name_of(part)) for part in parts if isinstance(part, ast.Name | ast.Attribute))
