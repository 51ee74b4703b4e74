"""What strings an expression can be, as far as one module tells. What it does not tell is a hole."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice, product

HOLE = "\x00"
"""stands for a value that the module does not show"""
MOST = 24
"""values followed per expression"""
DEEPEST = 12
"""names followed, one from another"""
_FIELD = re.compile(r"%(?:\((\w+)\))?[-+ #0]*\d*(?:\.\d+)?([srdifxb%])")
_BRACES = re.compile(r"\{\{|\}\}|\{(\w*)[^{}]*\}")
_SAME = frozenset({"dedent", "SQL", "Composed", "text", "strip", "lstrip", "rstrip", "cleandoc", "mark_safe", "as_string"})
"""functions and methods that give their text back, as far as SQL is concerned"""

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module


class Values:
    """The assignments of a module, and what follows from them."""

    def __init__(self, tree: ast.Module) -> None:
        self.assigned: dict[tuple[int, str], list[ast.Assign | ast.AnnAssign | ast.AugAssign]] = defaultdict(list)
        self.attributes: dict[str, list[ast.expr]] = defaultdict(list)
        self.returned: dict[str, list[ast.expr]] = defaultdict(list)
        self.functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = defaultdict(list)
        self.bound: dict[tuple[int, str], list[ast.expr]] = defaultdict(list)
        self._collect(tree, [tree])

    def strings(self, node: ast.expr | None, scopes: list[Scope], depth: int = 0) -> list[str]:
        """The texts that the expression may be, at most MOST; a lone hole where nothing is known."""
        if node is None or depth > DEEPEST:
            return [HOLE]
        return list(dict.fromkeys(islice(self._strings(node, scopes, depth + 1), MOST))) or [HOLE]

    def definitions(self, name: str, scopes: list[Scope]) -> list[ast.expr]:
        """The expressions that a name was bound to, in the innermost scope that binds it."""
        for scope in reversed(scopes):
            found = [one.value for one in self.assigned.get((id(scope), name), ()) if one.value is not None]
            found += self.bound.get((id(scope), name), [])
            if found:
                return found
        return []

    def _collect(self, node: ast.AST, scopes: list[Scope]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = scopes
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = [*scopes, child]
                if not isinstance(child, ast.ClassDef):
                    self.functions[child.name].append(child)
            elif isinstance(child, ast.Assign | ast.AnnAssign | ast.AugAssign):
                self._assign(child, scopes)
            elif isinstance(child, ast.withitem) and isinstance(child.optional_vars, ast.Name):
                self.bound[id(scopes[-1]), child.optional_vars.id].append(child.context_expr)
            elif isinstance(child, ast.Return) and child.value is not None and not isinstance(scopes[-1], ast.Module):
                self.returned[scopes[-1].name].append(child.value)
            self._collect(child, inner)

    def _assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, scopes: list[Scope]) -> None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                self.assigned[id(scopes[-1]), target.id].append(node)
            if node.value is not None and isinstance(target, ast.Attribute):
                self.attributes[target.attr].append(node.value)
            elif node.value is not None and isinstance(target, ast.Name) and isinstance(scopes[-1], ast.ClassDef):
                self.attributes[target.id].append(node.value)

    def _strings(self, node: ast.expr, scopes: list[Scope], depth: int) -> Iterator[str]:
        match node:
            case ast.Constant(value=str() as text):
                yield text
            case ast.Constant(value=bytes() as raw):
                yield raw.decode(errors="replace")
            case ast.Constant(value=int() as number):
                yield str(number)
            case ast.JoinedStr():
                yield from self._joined([self.strings(part, scopes, depth) for part in node.values])
            case ast.FormattedValue():
                yield from self.strings(node.value, scopes, depth)
            case ast.IfExp():
                yield from self.strings(node.body, scopes, depth)
                yield from self.strings(node.orelse, scopes, depth)
            case ast.BoolOp():
                for value in node.values:
                    yield from self.strings(value, scopes, depth)
            case ast.BinOp(op=ast.Add()):
                yield from self._joined([self.strings(part, scopes, depth) for part in (node.left, node.right)])
            case ast.BinOp(op=ast.Mod()):
                for text in self.strings(node.left, scopes, depth):
                    yield from self._percent(text, node.right, scopes, depth)
            case ast.Name():
                yield from self._name(node.id, scopes, depth)
            case ast.Attribute():
                for value in self.attributes.get(node.attr, ()):
                    yield from self.strings(value, scopes, depth)
            case ast.Call():
                yield from self._call(node, scopes, depth)

    def _joined(self, parts: list[list[str]]) -> Iterator[str]:
        yield from ("".join(chosen) for chosen in product(*parts))

    def _name(self, name: str, scopes: list[Scope], depth: int) -> Iterator[str]:
        for scope in reversed(scopes):
            found = self.assigned.get((id(scope), name))
            if not found:
                continue
            texts: list[str] = []
            for one in found:
                values = self.strings(one.value, scopes, depth)
                if isinstance(one, ast.AugAssign):  # which may be in a branch: with it and without it
                    texts = [*self._joined([texts or [HOLE], values]), *texts]
                else:
                    texts = [*values, *texts]
            yield from texts
            return

    def _call(self, node: ast.Call, scopes: list[Scope], depth: int) -> Iterator[str]:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        if name == "format" and isinstance(called, ast.Attribute):
            for text in self.strings(called.value, scopes, depth):
                yield from self._format(text, node, scopes, depth)
        elif name == "join" and isinstance(called, ast.Attribute) and node.args:
            elements = node.args[0].elts if isinstance(node.args[0], ast.List | ast.Tuple) else []
            separator = self.strings(called.value, scopes, depth)[0]
            for parts in product(*(self.strings(element, scopes, depth) for element in elements)):
                yield separator.join(parts)
        elif name in _SAME:
            source = node.args[0] if node.args else called.value if isinstance(called, ast.Attribute) else None
            yield from self.strings(source, scopes, depth)
        else:
            for value in self.returned.get(name, ()):
                yield from self.strings(value, scopes, depth)

    def _percent(self, text: str, right: ast.expr, scopes: list[Scope], depth: int) -> Iterator[str]:
        if isinstance(right, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else None for key in right.keys]
            named = {str(key): value for key, value in zip(keys, right.values, strict=True)}
            fields = [named.get(field[1] or "") for field in _FIELD.finditer(text) if field[2] != "%"]
        else:
            given = list(right.elts) if isinstance(right, ast.Tuple) else [right]
            count = sum(field[2] != "%" for field in _FIELD.finditer(text))
            fields = [*given[:count], *[None] * (count - len(given))]
        for chosen in product(*(self.strings(field, scopes, depth) for field in fields)):
            filling = iter(chosen)
            yield _FIELD.sub(lambda field, filling=filling: "%" if field[2] == "%" else next(filling), text)  # type: ignore[misc]

    def _format(self, text: str, node: ast.Call, scopes: list[Scope], depth: int) -> Iterator[str]:
        named = {word.arg: word.value for word in node.keywords if word.arg}
        fields, at = [], 0  # type: list[ast.expr | None], int
        for field in _BRACES.finditer(text):
            if field[0] not in ("{{", "}}"):
                place = int(field[1]) if field[1].isdigit() else at
                at += field[1] == ""
                positional = node.args[place] if place < len(node.args) and (not field[1] or field[1].isdigit()) else None
                fields.append(positional or named.get(field[1]))
        for chosen in product(*(self.strings(field, scopes, depth) for field in fields)):
            filling = iter(chosen)
            yield _BRACES.sub(lambda field, filling=filling: field[0][0] if field[0] in ("{{", "}}") else next(filling), text)  # type: ignore[misc]
