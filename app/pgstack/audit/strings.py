"""Which strings are SQL."""

from __future__ import annotations

import ast
import re

from pgstack.audit import sql, syntax
from pgstack.audit.values import HOLE
from pgstack.hazards.statements import BOUND

SINKS = frozenset(
    {
        "execute",
        "executemany",
        "raw",
        "RunSQL",
        "RawSQL",
        "copy_expert",
        "copy",
        "stream",
        "fetch",
        "fetchrow",
        "fetchval",
        "fetch_one",
        "fetch_all",
        "execute_async",
        "execute_query",
        "_execute",
        "execute_one",
        "execute_all",
        "scalar",
        "scalars",
        "exec_driver_sql",
        "executescript",
        "mogrify",
    }
)
"""functions and methods that run the SQL they are given"""
QUIET = frozenset(
    {
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "exception",
        "critical",
        "log",
        "print",
        "_",
        "gettext",
        "gettext_lazy",
        "pgettext",
        "ngettext",
        "add_argument",
        "ArgumentParser",
        "startswith",
        "endswith",
        "compile",
        "match",
        "search",
        "sub",
        "replace",
        "split",
        "partition",
        "option",
        "Option",
        "help",
        "write",
        "getLogger",
        "index",
        "find",
        "count",
        "getattr",
        "hasattr",
        "setattr",
        "get",
        "pop",
    }
)
"""functions whose strings are not run"""
SHORTEST = 6
"""characters of the shortest statement"""
LONGEST = 4096
"""characters of a statement that are looked at to show it"""
_KEYWORDS = ("sql", "query", "reverse_sql", "raw_query", "statement")
_SHOUTED = re.compile(r"\s*(?:(?>--[^\n]*\n\s*)|(?>/\*.*?\*/\s*))*+[A-Z]{3,}\b", re.DOTALL)
_WEAK = frozenset({"H008", "H019", "H022", "H026", "H046"})
"""hazards that two words in capital letters can look like"""


def is_quiet(name: str) -> bool:
    """Whether a function of this name does not run the strings that it is given."""
    return name in QUIET or name.endswith(("Error", "Exception", "Warning"))


def executed_expressions(node: ast.Call, name: str) -> list[ast.expr]:
    """The expressions that a sink runs: the first argument, both of RunSQL, and the elements of its
    lists."""
    arguments = node.args[: 2 if name == "RunSQL" else 1]
    arguments += [keyword.value for keyword in node.keywords if keyword.arg in _KEYWORDS]
    lists = [
        argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
        for argument in arguments
    ]
    return [
        element.elts[0] if isinstance(element, ast.Tuple) and element.elts else element
        for many in lists
        for element in many
    ]


def is_statement(text: str, read: sql.Read, *, stored: bool) -> bool:
    """Whether a text that no call in sight runs is SQL and not prose.

    `stored`: a name is bound to it, or it is returned. What a transaction makes harmless is left
    out: nobody knows where it will run.
    """
    if read.hazard in BOUND or text.startswith(HOLE) or not read.parsed:
        return False
    shouted = _SHOUTED.match(text) is not None
    if read.hazard in _WEAK:
        return shouted and stored and " " in text.strip()
    return shouted or "(" in text


def is_readable(text: str, read: sql.Read) -> bool:
    """Whether a text that a call runs is SQL: what the parser cannot read may be an order to
    something else."""
    return read.parsed or read.hazard not in _WEAK or _SHOUTED.match(text) is not None


def line_of(node: ast.expr, text: str, place: int) -> int:
    """The line of a statement within a literal of many lines; else that of the expression."""
    if (
        isinstance(node, ast.Constant)
        and node.value == text
        and (node.end_lineno or 0) > node.lineno
    ):
        return node.lineno + text.count("\n", 0, place)
    return node.lineno


def excerpt(text: str, longest: int = 90) -> str:
    """One line of a text, what is not known as an ellipsis."""
    text = " ".join(text[:LONGEST].replace(HOLE, "…").split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def is_schema_editor(node: ast.Call) -> bool:
    """Whether the call is one of Django's schema editor, which migrations have."""
    return (
        isinstance(node.func, ast.Attribute) and syntax.name_of(node.func.value) == "schema_editor"
    )
