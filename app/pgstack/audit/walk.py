"""One module of Python, from the outside in: where each call and each string stands, and what it
shows."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from pgstack.audit import calls, querysets, sql, strings, syntax
from pgstack.audit.module import Module, Sight
from pgstack.audit.place import (
    Place,
    is_atomic_migration,
    is_decorated_atomic,
    is_direct,
    is_migration,
    opens_transaction,
    other_database,
)
from pgstack.audit.syntax import name_of
from pgstack.audit.values import HOLE, MOST
from pgstack.hazards.statements import BOUND

ITERATORS = frozenset({"H001", "H004", "H005"})
"""hazards of iterators, which DISABLE_SERVER_SIDE_CURSORS takes away, and a transaction around
them"""
_SELF = frozenset({"self", "cls", "super"})
_DROP = re.compile(r"\bDROP\s+(?:TABLE|VIEW)\b", re.IGNORECASE)
_IMPLIED = {"H004": "H001", "H005": "H001"}
"""hazards that say more of the same line"""


class Walk:
    """The sights of one module."""

    def __init__(
        self, tree: ast.Module, *, in_migration: bool = False, foreign: bool = False
    ) -> None:
        self.module = Module(tree)
        self.sites: dict[str, list[tuple[str, bool]]] = defaultdict(list)
        """where each function is called: in which function, and whether in a transaction"""
        self.inside: dict[str, bool] = {}
        """whether all calls of a function are in a transaction, once that is known"""
        self.run: set[int] = set()
        """nodes that a call in sight runs"""
        self.stored: set[int] = set()
        """nodes that have a name, or are returned"""
        self.drops: set[str] = set()
        """functions that drop a table or a view"""
        self.cut: set[int] = set()
        """lines of calls that are given more texts than are followed"""
        self.texts: list[tuple[ast.expr, Place]] = []
        self.recorded: list[tuple[Sight, Place]] = []
        self._enter = self._visitors()
        in_transaction = in_migration and is_atomic_migration(tree)
        self._visit(
            tree,
            Place(scopes=[tree], migration=in_migration, atomic=in_transaction, foreign=foreign),
        )

    def _visitors(self) -> dict[type[ast.AST], Callable[[Any, Place], Place | None]]:
        """What looks at each kind of node, and says in which place its children are."""
        return {
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.ClassDef: self._class,
            ast.Lambda: lambda _, place: replace(place, atomic=False),
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.If: self._branches,
            ast.IfExp: self._branches,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.Call: self._call,
            ast.Dict: self._dict,
            ast.Expr: self._expression,
            ast.Assign: self._keeps,
            ast.AnnAssign: self._keeps,
            ast.Return: self._keeps,
            ast.Compare: self._quiet,
            ast.Raise: self._quiet,
            ast.Assert: self._quiet,
            ast.Constant: self._string,
            ast.BinOp: self._string,
            ast.JoinedStr: self._string,
        }

    def sights(self) -> Iterator[Sight]:
        """What the module shows, each hazard once per line."""
        for node, place in self.texts:
            if id(node) not in self.run:
                self._unseen(node, place)
                self.run.update(id(part) for part in ast.walk(node))
        shown = {
            (sight.hazard, sight.line): (sight, place) for sight, place in reversed(self.recorded)
        }
        for (hazard, line), (sight, place) in reversed(shown.items()):
            implied = any(
                (more, line) in shown for more, less in _IMPLIED.items() if less == hazard
            )
            if not implied and not self._is_harmless(hazard, place):
                yield sight

    def _visit(self, node: ast.AST, place: Place) -> None:
        enter = self._enter.get(type(node))
        inner = enter(node, place) if enter else place
        if inner is not None:
            for child in syntax.children(node):
                self._visit(child, inner)

    # What follows gives the place of the children; None when they have been looked at.

    def _function(self, node: Any, place: Place) -> Place:
        if isinstance(node, ast.FunctionDef):
            self._add(calls.decorated(node, self.module), place)
        inherits = place.atomic and place.migration
        atomic = inherits or is_decorated_atomic(node) or id(node) in self.module.values.asking
        return replace(place, scopes=[*place.scopes, node], atomic=atomic, quiet=False)

    def _class(self, node: Any, place: Place) -> Place:
        self._add(calls.classes(node, self.module), place)
        return replace(
            place, scopes=[*place.scopes, node], migration=place.migration or is_migration(node)
        )

    def _with(self, node: Any, place: Place) -> Place:
        return replace(
            place,
            atomic=place.atomic or any(opens_transaction(item.context_expr) for item in node.items),
        )

    def _quiet(self, _node: Any, place: Place) -> Place:
        return replace(place, quiet=True)

    def _expression(self, node: Any, place: Place) -> Place | None:
        return None if isinstance(node.value, ast.Constant) else place  # documentation

    def _keeps(self, node: Any, place: Place) -> Place:
        self.stored.add(id(node.value))
        self._add(calls.assignments(node, self.module), place)
        return place

    def _dict(self, node: Any, place: Place) -> None:
        self._add(calls.entries(node, self.module, place), place)
        for value in node.values:  # keys are names
            self._visit(value, place)

    def _for(self, node: Any, place: Place) -> Place:
        self._add(querysets.loops(node, place, self.module), place)
        return place

    def _branches(self, node: Any, place: Place) -> None:
        other = other_database(node.test)
        self._visit(node.test, replace(place, quiet=True))
        for branch, foreign in ((node.body, other is True), (node.orelse, other is False)):
            inner = replace(place, foreign=place.foreign or foreign)
            for child in branch if isinstance(branch, list) else [branch]:
                self._visit(child, inner)

    def _call(self, node: Any, place: Place) -> Place:
        name = syntax.name_of(node)
        if (
            _is_own(node) or not place.atomic
        ):  # what others have under the same name is not called here
            self.sites[name].append((place.function, place.atomic))
        quiet = place.quiet or strings.is_quiet(name)
        if not place.foreign:
            self._add(calls.hazards(node, replace(place, quiet=quiet), self.module), place)
            self._add(querysets.calls(node, place, self.module), place)
        if name in strings.SINKS:
            self._sink(node, name, place)
        elif name == "format":
            self._string(node, place)
        return replace(place, quiet=quiet)

    def _string(self, node: Any, place: Place) -> Place | None:
        if isinstance(node, ast.Constant):
            self._add(calls.programs(node, place), place)
        if not place.quiet and not place.foreign:
            self.texts.append((node, place))
        return None if isinstance(node, ast.JoinedStr) else place  # its parts are no statements

    def _sink(self, node: ast.Call, name: str, place: Place) -> None:
        migration = place.migration or name == "RunSQL" or strings.is_schema_editor(node)
        place = replace(place, migration=migration)
        elsewhere = place.foreign or is_direct(node.func, self.module.values, place.scopes)
        for expression in strings.executed_expressions(node, name):
            texts = self.module.values.strings(expression, place.scopes)
            if len(texts) >= MOST:
                self.cut.add(node.lineno)
            if any(text.strip(HOLE) for text in texts):
                self.run.update(
                    id(part) for part in self.module.values.parts(expression, place.scopes)
                )
            if any(_DROP.search(text) for text in texts):
                self.drops.add(place.function)
            for text in texts if not elsewhere else ():
                read = sql.read(text, in_transaction=place.atomic)
                self._see_all(
                    [shown for shown in read if strings.is_readable(text, shown)],
                    text,
                    expression,
                    place,
                )

    def _unseen(self, node: ast.expr, place: Place) -> None:
        """A string that no call in sight runs."""
        for text in self.module.values.strings(node, place.scopes):
            if len(text) >= strings.SHORTEST:
                stored = id(node) in self.stored
                read = [
                    hit
                    for hit in sql.read(text, in_transaction=True)
                    if strings.is_statement(text, hit, stored=stored)
                ]
                self._see_all(read, text, node, place)

    def _see_all(self, read: Iterable[sql.Read], text: str, node: ast.expr, place: Place) -> None:
        for hit in read:
            harmless = place.migration and not hit.defines and hit.hazard != "H037"
            seen = strings.excerpt(text[hit.place :])
            self.recorded.append(
                (Sight(hit.hazard, strings.line_of(node, text, hit.place), seen, harmless), place)
            )

    def _add(self, shown: Iterable[tuple[str, ast.AST]], place: Place) -> None:
        for hazard, node in shown:
            harmless = place.migration and hazard != "H037"
            sight = Sight(
                hazard, getattr(node, "lineno", 0), strings.excerpt(ast.unparse(node)), harmless
            )
            self.recorded.append((sight, place))

    def _is_harmless(self, hazard: str, place: Place) -> bool:
        """Whether what the rest of the module shows makes a hazard harmless."""
        if hazard == "H021":
            return place.atomic and place.function in self.drops
        if (
            hazard in BOUND and not self.module.is_django
        ):  # drivers begin a transaction by themselves
            return True
        return hazard in BOUND | ITERATORS and self._is_called_inside(place.function)

    def _is_called_inside(self, function: str) -> bool:
        """Whether every call of the function that the module shows is within a transaction."""
        if function not in self.inside:
            self.inside[function] = False  # for those that call each other
            sites = self.sites.get(function, []) if function else []
            self.inside[function] = bool(sites) and all(
                atomic or self._is_called_inside(caller) for caller, atomic in sites
            )
        return self.inside[function]


def _is_own(node: ast.Call) -> bool:
    """Whether the call is of a function of the module or of a method of the same object."""
    called = node.func
    return isinstance(called, ast.Name) or (
        isinstance(called, ast.Attribute) and name_of(called.value) in _SELF
    )
