"""One Python module, from the outside in: where each call and each string stands, and what it shows."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pgstack.audit import calls, querysets, sql, syntax
from pgstack.audit.place import Place, is_decorated_atomic, is_direct, is_migration, opens_transaction, other_database
from pgstack.audit.values import HOLE, Values
from pgstack.hazards.statements import BOUND, FUNCTIONS

SINKS = frozenset(
    {
        "execute", "executemany", "raw", "RunSQL", "RawSQL", "SeparateDatabaseAndState", "copy_expert", "copy", "stream",
        "fetch", "fetchrow", "fetchval", "fetch_one", "fetch_all", "execute_async", "execute_query", "_execute",
        "execute_one", "execute_all", "scalar", "scalars", "exec_driver_sql", "executescript", "mogrify",
    }
)  # fmt: skip
"""functions and methods that run the SQL they are given"""
_QUIET = frozenset(
    {
        "debug", "info", "warning", "warn", "error", "exception", "critical", "log", "print", "_", "gettext",
        "gettext_lazy", "pgettext", "ngettext", "add_argument", "ArgumentParser", "startswith", "endswith", "compile",
        "match", "search", "sub", "replace", "split", "partition", "option", "Option", "help", "write", "getLogger",
        "deprecated", "Warning", "Error", "index", "find", "count", "getattr", "hasattr", "setattr", "get", "pop",
    }
)  # fmt: skip
"""functions whose strings are not run"""
_SHORTEST = 6
"""characters of the shortest statement"""
_SHOUTED = re.compile(r"\s*(?:--[^\n]*\s+|/\*.*?\*/\s*)*[A-Z]{3,}\b", re.DOTALL)
_WEAK = frozenset({"H008", "H019", "H022", "H026", "H046"})
"""hazards that prose in capital letters can look like, when no call runs it"""


@dataclass(frozen=True)
class Sight:
    """A hazard at a line of the module."""

    hazard: str
    line: int
    seen: str
    in_migration: bool


class Walk:
    """The sights of one module."""

    def __init__(self, tree: ast.Module, *, in_migration: bool, foreign: bool = False) -> None:
        self.values = Values(tree)
        self.imported = syntax.imports(tree)
        self.sites: dict[str, list[tuple[str, bool]]] = defaultdict(list)
        self.run: set[int] = set()
        self.found: list[tuple[Sight, Place]] = []
        self.texts: list[tuple[ast.expr, Place]] = []
        self.is_django = any(name.split(".")[0] == "django" for name in self.imported.values())
        self._visit(tree, Place(scopes=[tree], migration=in_migration, foreign=foreign))

    def sights(self) -> Iterator[Sight]:
        """What the module shows, each hazard once per line."""
        for node, place in self.texts:
            if id(node) not in self.run:
                self._text(node, place)
                self.run.update(id(part) for part in ast.walk(node))
        seen = set()
        for sight, place in self.found:
            bound = sight.hazard in BOUND and (not self.is_django or self._is_called_inside(place.function))
            if not bound and (sight.hazard, sight.line) not in seen:
                seen.add((sight.hazard, sight.line))
                yield sight

    def _visit(self, node: ast.AST, place: Place) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                atomic = is_decorated_atomic(node)
                place = replace(place, scopes=[*place.scopes, node], atomic=atomic, quiet=False)
            case ast.Lambda():
                place = replace(place, atomic=False)
            case ast.ClassDef():
                inside = place.migration or is_migration(node)
                place = replace(place, scopes=[*place.scopes, node], migration=inside)
            case ast.With() | ast.AsyncWith():
                if any(opens_transaction(item.context_expr) for item in node.items):
                    place = replace(place, atomic=True)
            case ast.If() | ast.IfExp():
                self._branches(node, place)
                return
            case ast.For() | ast.AsyncFor():
                self._add(querysets.loops(node, place, self.values), place)
            case ast.Expr(value=ast.Constant()):
                return
            case ast.Compare() | ast.Raise() | ast.Assert():
                place = replace(place, quiet=True)
            case ast.Call():
                place = self._call(node, place)
            case ast.Constant() | ast.JoinedStr() | ast.BinOp():
                if isinstance(node, ast.Constant):
                    self._add(calls.programs(node, place), place)
                if not place.quiet:
                    self.texts.append((node, place))
                if isinstance(node, ast.JoinedStr):  # its parts are no statements
                    return
        for child in ast.iter_child_nodes(node):
            self._visit(child, place)

    def _branches(self, node: ast.If | ast.IfExp, place: Place) -> None:
        other = other_database(node.test)
        self._visit(node.test, replace(place, quiet=True))
        for branch, foreign in ((node.body, other is True), (node.orelse, other is False)):
            inner = replace(place, foreign=place.foreign or foreign)
            for child in branch if isinstance(branch, list) else [branch]:
                self._visit(child, inner)

    def _call(self, node: ast.Call, place: Place) -> Place:
        """Look at a call; gives the place of its arguments."""
        name = syntax.name_of(node)
        self.sites[name].append((place.function, place.atomic))
        if not place.foreign:
            self._add(calls.hazards(node, place, self.values, self.imported), place)
            self._add(querysets.calls(node, place, self.values), place)
        if name in SINKS:
            self._sink(node, name, place)
        elif name == "callproc" and node.args:
            self._procedure(node, place)
        elif name == "format" and not place.quiet:
            self.texts.append((node, place))
        quiet = name in _QUIET or name.endswith(("Error", "Exception", "Warning"))
        return replace(place, quiet=True) if quiet else place

    def _sink(self, node: ast.Call, name: str, place: Place) -> None:
        if name == "RunSQL":
            place = replace(place, migration=True)
        given = [*node.args[: 2 if name == "RunSQL" else 1]]
        given += [one for word in ("sql", "query", "reverse_sql", "raw_query") if (one := syntax.keyword(node, word)) is not None]
        direct = isinstance(node.func, ast.Attribute) and is_direct(node.func, self.values, place.scopes)
        schema_editor = isinstance(node.func, ast.Attribute) and syntax.name_of(node.func.value) == "schema_editor"
        place = replace(place, migration=place.migration or schema_editor)
        for argument in given:
            for one in _elements(argument):
                texts = self.values.strings(one, place.scopes)
                if any(text.strip(HOLE) for text in texts):
                    self.run.update(id(part) for part in self._parts(one, place))
                if not direct and not place.foreign:
                    self._read(texts, one, place, ran=True)

    def _procedure(self, node: ast.Call, place: Place) -> None:
        name = syntax.constant(node.args[0])
        if isinstance(name, str) and name in FUNCTIONS and not is_direct(node.func, self.values, place.scopes):
            self._see(FUNCTIONS[name], node, f'callproc("{name}")', place)

    def _text(self, node: ast.expr, place: Place) -> None:
        """A string that no call in sight runs."""
        texts = [text for text in self.values.strings(node, place.scopes) if len(text) >= _SHORTEST]
        if not place.foreign:
            self._read(texts, node, place, ran=False)

    def _read(self, texts: list[str], node: ast.expr, place: Place, *, ran: bool) -> None:
        for text in texts:
            for one in sql.read(text, in_transaction=place.atomic or not ran):
                if ran or _is_statement(text, one):
                    line = node.lineno + (text[: one.place].count("\n") if _is_literal(node, text) else 0)
                    self._see(one.hazard, node, _excerpt(text[one.place :]), place, line, defines=one.defines)

    def _parts(self, node: ast.expr, place: Place, depth: int = 0) -> Iterator[ast.AST]:
        """The nodes that an expression's text is made of, for which it speaks."""
        for part in ast.walk(node):
            yield part
            if isinstance(part, ast.Name) and depth < 4:
                for value in self.values.definitions(part.id, place.scopes):
                    yield from self._parts(value, place, depth + 1)
            elif isinstance(part, ast.Attribute) and depth < 4:
                for value in self.values.attributes.get(part.attr, ()):
                    yield from self._parts(value, place, depth + 1)

    def _add(self, shown: Iterator[tuple[str, ast.AST]], place: Place) -> None:
        for hazard, node in shown:
            self._see(hazard, node, _excerpt(ast.unparse(node)), place)

    def _see(
        self, hazard: str, node: ast.AST, seen: str, place: Place, line: int | None = None, *, defines: bool = False
    ) -> None:
        where = line if line is not None else getattr(node, "lineno", 0)
        harmless = place.migration and not defines and hazard != "H037"
        self.found.append((Sight(hazard, where, seen, harmless), place))

    def _is_called_inside(self, function: str, known: frozenset[str] = frozenset()) -> bool:
        """Whether every call of the function that the module shows is within a transaction."""
        sites = self.sites.get(function, []) if function and function not in known else []
        known |= {function}
        return bool(sites) and all(atomic or self._is_called_inside(caller, known) for caller, atomic in sites)


def _elements(node: ast.expr) -> list[ast.expr]:
    """The statements of `RunSQL`: one, or a list of statements and of pairs with parameters."""
    if not isinstance(node, ast.List | ast.Tuple):
        return [node]
    return [one.elts[0] if isinstance(one, ast.Tuple) and one.elts else one for one in node.elts]


def _is_statement(text: str, read: sql.Read) -> bool:
    """Whether a text that no call in sight runs is SQL and not prose."""
    if read.hazard in BOUND or text.startswith(HOLE):
        return False
    if read.hazard in _WEAK or not read.parsed:
        return read.parsed and _SHOUTED.match(text) is not None and " " in text.strip()
    return _SHOUTED.match(text) is not None or "(" in text


def _is_literal(node: ast.expr, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text and (node.end_lineno or 0) > node.lineno


def _excerpt(text: str, longest: int = 90) -> str:
    text = " ".join(text.replace(HOLE, "…").split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
