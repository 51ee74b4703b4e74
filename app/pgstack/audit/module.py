"""A module of Python as the rules see it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from pgstack.audit import syntax
from pgstack.audit.values import Values


@dataclass(frozen=True)
class Sight:
    """A hazard at a line of a file."""

    hazard: str
    line: int
    seen: str
    in_migration: bool = False
    of_settings: bool = False
    """of a DATABASES that is written out"""


class Module:
    """What all rules ask of a module: its values, its imports, whether it is about Django."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.values = Values(tree)
        self.imported = syntax.imports(tree)
        self.is_django = any(name.split(".")[0] == "django" for name in self.imported.values())
        """its connections are in autocommit; a driver's own are not"""
