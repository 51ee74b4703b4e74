"""Where a piece of code runs: in a transaction, in a migration, on which alias, for which
database."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pgstack.audit.syntax import chain, constant, keyword, name_of
from pgstack.audit.values import Scope, Values

DIRECT = frozenset({"direct"})
"""aliases that go straight to PostgreSQL"""
_ATOMIC = frozenset({"atomic", "Atomic", "transaction", "begin", "begin_nested"})
_ASKS = re.compile(r"vendor|engine|dialect|db_type|backend|\bname$", re.IGNORECASE)
_OTHERS = frozenset(
    {"mysql", "sqlite", "sqlite3", "oracle", "mssql", "microsoft", "spatialite", "mariadb"}
)


@dataclass(frozen=True)
class Place:
    """What is known where a node stands."""

    scopes: list[Scope] = field(default_factory=list)
    atomic: bool = False
    """within `with transaction.atomic()` or a function decorated with it"""
    migration: bool = False
    foreign: bool = False
    """within a branch for another database"""
    quiet: bool = False
    """text that is not run: messages, comparisons, documentation"""

    @property
    def function(self) -> str:
        """Name of the innermost function; empty outside of one."""
        functions = [
            scope.name
            for scope in self.scopes
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        return functions[-1] if functions else ""


def opens_transaction(node: ast.expr) -> bool:
    """Whether `with` on this opens a transaction."""
    return isinstance(node, ast.Call) and name_of(node) in _ATOMIC


def is_decorated_atomic(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the function runs in a transaction by its decorators."""
    return any(
        name_of(decorator) == "atomic"
        or (
            isinstance(decorator, ast.Call)
            and any(name_of(word) == "atomic" for word in decorator.args)
        )
        for decorator in node.decorator_list
    )


def is_migration(node: ast.ClassDef) -> bool:
    """Whether the class is a migration, an operation of one, or edits the schema: all run by
    `migrate`."""
    bases = {name_of(base) for base in node.bases}
    return bool(bases & {"Migration", "Operation", "RunSQL", "RunPython"}) or any(
        base.endswith(("SchemaEditor", "SchemaEditorMixin", "Operation"))
        for base in {*bases, node.name}
    )


def is_atomic_migration(tree: ast.Module) -> bool:
    """Whether the migration of a module runs in a transaction, as it does unless it says `atomic =
    False`."""
    return not any(
        isinstance(statement, ast.Assign)
        and constant(statement.value) is False
        and name_of(statement.targets[0]) == "atomic"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
    )


def follows(node: ast.AST, values: Values, scopes: list[Scope]) -> Iterator[ast.AST]:
    """The parts of an expression's chain, and of the chains that its name was bound to."""
    known: set[str] = set()
    waiting = [node]
    while waiting:
        parts = list(chain(waiting.pop()))
        yield from parts
        last = parts[-1]
        if isinstance(last, ast.Name) and last.id not in known:
            known.add(last.id)
            waiting += values.definitions(last.id, scopes)


def is_direct(node: ast.AST, values: Values, scopes: list[Scope]) -> bool:
    """Whether the expression is reached by the direct alias: `connections["direct"]`,
    `using="direct"`."""
    for part in follows(node, values, scopes):
        match part:
            case ast.Subscript(value=container, slice=key) if name_of(container) == "connections":
                if set(values.strings(key, scopes)) & DIRECT:
                    return True
            case ast.Call():
                named = [constant(keyword(part, word)) for word in ("using", "alias", "database")]
                named += (
                    [constant(argument) for argument in part.args[:1]]
                    if name_of(part) in ("using", "db_manager")
                    else []
                )
                if DIRECT & {alias for alias in named if isinstance(alias, str)}:
                    return True
    return False


def other_database(test: ast.expr) -> bool | None:
    """Whether a branch's condition asks for another database (True), for PostgreSQL (False), or
    neither (None)."""
    match test:
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            asked = {text for side in (left, right) for text in _texts(side)}
            if not asked or not any(_ASKS.search(ast.unparse(side)) for side in (left, right)):
                return None
            equal = isinstance(operator, ast.Eq | ast.In)
            if any("postg" in text for text in asked):
                return not equal
            return equal if asked & _OTHERS else None
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            answer = other_database(inner)
            return None if answer is None else not answer
    return None


def _texts(node: ast.expr) -> list[str]:
    elements = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return [
        element.value.lower()
        for element in elements
        if isinstance(element, ast.Constant) and isinstance(element.value, str)
    ]
