"""What strings an expression can be, as far as one module tells. What it does not tell is a
hole."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, product
from typing import Any

from pgstack.audit.syntax import children

HOLE = "\x00"
"""stands for a value that the module does not show"""
MOST = 24
"""values followed per expression"""
LONGEST = 256 * 1024
"""characters of a text that is put together: one that is longer, which doubled itself, is a hole"""
WORK = 32 * 1024**2
"""characters that are put together for one module: from then on all is holes"""
LONGEST_NUMBER = 4096
"""bits of a number that is written out: Python refuses much longer ones"""
DEEPEST = 12
"""names followed, one from another"""
_FIELD = re.compile(r"%(?:\((\w+)\))?[-+ #0]*\d*(?:\.\d+)?([srdifxb%])")
_BRACES = re.compile(r"\{\{|\}\}|\{(\w*)[^{}]*\}")
_SAME = frozenset(
    {
        "dedent",
        "SQL",
        "Composed",
        "text",
        "strip",
        "lstrip",
        "rstrip",
        "cleandoc",
        "mark_safe",
        "as_string",
    }
)
"""functions and methods that give their text back, as far as SQL is concerned"""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.ClassDef | ast.Module
Assignment = ast.Assign | ast.AnnAssign | ast.AugAssign


class Values:
    """The assignments of a module, and what follows from them."""

    def __init__(self, tree: ast.Module) -> None:
        self.assigned: dict[tuple[int, str], list[Assignment]] = defaultdict(list)
        self.bound: dict[tuple[int, str], list[ast.expr]] = defaultdict(list)
        """by `with … as name`"""
        self.attributes: dict[str, list[ast.expr]] = defaultdict(list)
        self.returned: dict[str, list[ast.expr]] = defaultdict(list)
        self.functions: dict[str, list[Function]] = defaultdict(list)
        self.asking: set[int] = set()
        """functions that look whether a transaction is open, as those do that need one"""
        self._known: dict[tuple[int, int], list[str]] = {}
        self._left = WORK
        self._kinds: dict[type[ast.expr], Callable[[Any, list[Scope], int], Iterable[str]]] = {
            ast.Constant: self._constant,
            ast.JoinedStr: self._joined,
            ast.BinOp: self._operation,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.FormattedValue: lambda node, scopes, depth: self.strings(node.value, scopes, depth),
            ast.IfExp: lambda node, scopes, depth: self._any_of(
                [node.body, node.orelse], scopes, depth
            ),
            ast.BoolOp: lambda node, scopes, depth: self._any_of(node.values, scopes, depth),
        }
        self._collect(tree, [tree])

    def strings(self, node: ast.expr | None, scopes: list[Scope], depth: int = 0) -> list[str]:
        """The texts that the expression may be, at most MOST; a lone hole where nothing is
        known."""
        read = self._kinds.get(type(node)) if node is not None and depth <= DEEPEST else None
        if read is None:
            return [HOLE]
        key = id(node), id(scopes[-1])
        if key not in self._known:
            self._known[key] = [HOLE]  # for what is made of itself
            self._known[key] = _some(read(node, scopes, depth + 1)) or [HOLE]
        return self._known[key]

    def definitions(self, name: str, scopes: list[Scope]) -> list[ast.expr]:
        """The expressions that a name was bound to, in the innermost scope that binds it."""
        for scope in reversed(scopes):
            expressions = [
                assignment.value
                for assignment in self.assigned.get((id(scope), name), ())
                if assignment.value is not None
            ]
            expressions += self.bound.get((id(scope), name), [])
            if expressions:
                return expressions
        return []

    def parts(self, node: ast.expr, scopes: list[Scope]) -> Iterator[ast.AST]:
        """The nodes that an expression's text is made of, each once."""
        known: set[int] = set()
        waiting: list[ast.expr] = [node]
        for _ in range(5):  # names followed, one from another
            following: list[ast.expr] = []
            for part in (
                child for value in waiting if id(value) not in known for child in ast.walk(value)
            ):
                if id(part) in known:
                    continue
                known.add(id(part))
                yield part
                if isinstance(part, ast.Name):
                    following += self.definitions(part.id, scopes)
                elif isinstance(part, ast.Attribute):
                    following += self.attributes.get(part.attr, [])
            waiting = following

    def _collect(self, node: ast.AST, scopes: list[Scope]) -> None:
        for child in children(node):
            inner = scopes
            match child:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self.functions[child.name].append(child)
                    inner = [*scopes, child]
                case ast.ClassDef():
                    inner = [*scopes, child]
                case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                    self._assign(child, scopes)
                case ast.withitem(optional_vars=ast.Name(id=name)):
                    self.bound[id(scopes[-1]), name].append(child.context_expr)
                case ast.Attribute(attr="in_atomic_block"):
                    self.asking.update(id(scope) for scope in scopes)
                case ast.Return(value=ast.expr() as value) if not isinstance(
                    scopes[-1], ast.Module
                ):
                    self.returned[scopes[-1].name].append(value)
            self._collect(child, inner)

    def _assign(self, node: Assignment, scopes: list[Scope]) -> None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                self.assigned[id(scopes[-1]), target.id].append(node)
            if node.value is not None and isinstance(target, ast.Attribute):
                self.attributes[target.attr].append(node.value)
            elif (
                node.value is not None
                and isinstance(target, ast.Name)
                and isinstance(scopes[-1], ast.ClassDef)
            ):
                self.attributes[target.id].append(node.value)

    def _any_of(self, nodes: Iterable[ast.expr], scopes: list[Scope], depth: int) -> Iterator[str]:
        for node in nodes:
            yield from self.strings(node, scopes, depth)

    def _constant(self, node: ast.Constant, _scopes: list[Scope], _depth: int) -> Iterator[str]:
        if isinstance(node.value, bytes):
            yield node.value.decode(errors="replace")
        elif isinstance(node.value, str):
            yield node.value
        elif isinstance(node.value, int) and node.value.bit_length() < LONGEST_NUMBER:
            yield str(node.value)

    def _joined(self, node: ast.JoinedStr, scopes: list[Scope], depth: int) -> Iterator[str]:
        yield from self._products([self.strings(part, scopes, depth) for part in node.values])

    def _operation(self, node: ast.BinOp, scopes: list[Scope], depth: int) -> Iterator[str]:
        if isinstance(node.op, ast.Add):
            yield from self._products(
                [self.strings(part, scopes, depth) for part in (node.left, node.right)]
            )
        elif isinstance(node.op, ast.Mod):
            for text in self.strings(node.left, scopes, depth):
                yield from self._percent(text, node.right, scopes, depth)

    def _name(self, node: ast.Name, scopes: list[Scope], depth: int) -> list[str]:
        for scope in reversed(scopes):
            assignments = self.assigned.get((id(scope), node.id))
            if not assignments:
                continue
            texts: list[str] = []
            for assignment in assignments:
                values: Iterable[str] = self.strings(assignment.value, scopes, depth)
                if isinstance(assignment, ast.AugAssign):
                    values = self._products(
                        [texts or [HOLE], self.strings(assignment.value, scopes, depth)]
                    )
                texts = _some(
                    chain(values, texts)
                )  # an assignment may stand in a branch: with it and without it
            return texts
        return []

    def _attribute(self, node: ast.Attribute, scopes: list[Scope], depth: int) -> Iterator[str]:
        yield from self._any_of(self.attributes.get(node.attr, ()), scopes, depth)

    def _call(self, node: ast.Call, scopes: list[Scope], depth: int) -> Iterator[str]:
        called = node.func
        owner = called.value if isinstance(called, ast.Attribute) else None
        name = (
            called.attr
            if isinstance(called, ast.Attribute)
            else called.id
            if isinstance(called, ast.Name)
            else ""
        )
        if name == "format" and owner is not None:
            for text in self.strings(owner, scopes, depth):
                yield from self._format(text, node, scopes, depth)
        elif name == "join" and owner is not None and node.args:
            elements = node.args[0].elts if isinstance(node.args[0], ast.List | ast.Tuple) else []
            separator = self.strings(owner, scopes, depth)[0]
            yield from self._products(
                [self.strings(element, scopes, depth) for element in elements], separator
            )
        elif name in _SAME:
            yield from self.strings(node.args[0] if node.args else owner, scopes, depth)
        else:
            yield from self._any_of(self.returned.get(name, ()), scopes, depth)

    def _percent(
        self, text: str, right: ast.expr, scopes: list[Scope], depth: int
    ) -> Iterator[str]:
        pairs = zip(right.keys, right.values, strict=True) if isinstance(right, ast.Dict) else ()
        named = {key.value: value for key, value in pairs if isinstance(key, ast.Constant)}
        given = iter(right.elts if isinstance(right, ast.Tuple) else [right])

        def value(field: re.Match[str]) -> ast.expr | str | None:
            if field[2] == "%":
                return "%"
            return named.get(field[1]) if isinstance(right, ast.Dict) else next(given, None)

        yield from self._filled(text, _FIELD, value, scopes, depth)

    def _format(self, text: str, node: ast.Call, scopes: list[Scope], depth: int) -> Iterator[str]:
        named = {word.arg: word.value for word in node.keywords if word.arg}
        automatic = iter(node.args)

        def value(field: re.Match[str]) -> ast.expr | str | None:
            key = field[1]
            if not key:
                return field[0][0] if key is None else next(automatic, None)
            at = int(key) if key.isdigit() else len(node.args)
            return node.args[at] if at < len(node.args) else named.get(key)

        yield from self._filled(text, _BRACES, value, scopes, depth)

    def _filled(
        self,
        text: str,
        fields: re.Pattern[str],
        value: Callable[[re.Match[str]], ast.expr | str | None],
        scopes: list[Scope],
        depth: int,
    ) -> Iterator[str]:
        """The text with the values of its fields."""
        parts: list[list[str]] = []
        end = 0
        for field in fields.finditer(text):
            filling = value(field)
            parts.append([text[end : field.start()]])
            parts.append(
                [filling] if isinstance(filling, str) else self.strings(filling, scopes, depth)
            )
            end = field.end()
        yield from self._products([*parts, [text[end:]]])

    def _products(self, parts: list[list[str]], separator: str = "") -> Iterator[str]:
        for chosen in product(*parts):
            length = sum(map(len, chosen)) + (len(separator) + 1) * len(chosen)
            self._left -= min(length, LONGEST)
            yield separator.join(chosen) if length <= LONGEST and self._left > 0 else HOLE


def _some(texts: Iterable[str]) -> list[str]:
    """The first texts, each once: at most MOST."""
    return list(dict.fromkeys(islice(texts, MOST)))
