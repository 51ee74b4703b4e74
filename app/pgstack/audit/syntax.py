"""Small questions about Python's syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_LEAVES = ast.expr_context | ast.operator | ast.unaryop | ast.cmpop | ast.boolop


def name_of(node: ast.AST) -> str:
    """The last name of what is called or decorates: `atomic` of `transaction.atomic(using="x")`."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def chain(node: ast.AST) -> Iterator[ast.AST]:
    """An expression and what it is asked of, from the outside in: `a.b(x).c` gives `.c`, the call,
    `.b`, `a`."""
    while True:
        yield node
        match node:
            case ast.Call(func=inner) | ast.Attribute(value=inner) | ast.Subscript(value=inner):
                node = inner
            case _:
                return


def children(node: ast.AST) -> Iterator[ast.AST]:
    """As `ast.iter_child_nodes`, which an audit spends half its time in, without contexts and
    operators."""
    for value in node.__dict__.values():
        if isinstance(value, list):
            yield from (child for child in value if isinstance(child, ast.AST))
        elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
            yield value


def keyword(node: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument; None when it is not given."""
    return next((argument.value for argument in node.keywords if argument.arg == name), None)


def constant(node: ast.AST | None) -> object:
    """The value of a literal; None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None


def imports(tree: ast.Module) -> dict[str, str]:
    """Full names of what the module imports, by the name that it has there."""
    names = {}
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(
                {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            )
    return names


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    for child in children(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from _statements(child)


def full_name(node: ast.AST, imported: dict[str, str]) -> str:
    """The dotted name of an expression with its first part as imported; empty when it is not a
    plain name."""
    if isinstance(node, ast.Name):
        return imported.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = full_name(node.value, imported)
        return f"{before}.{node.attr}" if before else ""
    return ""
