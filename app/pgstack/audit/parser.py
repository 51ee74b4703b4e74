"""What SQL shows, by PostgreSQL's own parser. The guard's reader, `pgstack.hazards.statements`, is
lighter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

from pgstack.errors import StackError
from pgstack.hazards import parameters
from pgstack.hazards.statements import BOUND, FALSE, FUNCTIONS, TRUE, body_residue

Node = dict[str, Any]

POOLER_PORT = "6432"
"""PgBouncer's, unless someone chose another"""
_BY_STATEMENT = {
    "ListenStmt": "H019",
    "DiscardStmt": "H046",
    "LoadStmt": "H026",
    "ExecuteStmt": "H022",
    "PrepareStmt": "H022",
    "DeallocateStmt": "H022",
    "ConstraintsSetStmt": "H027",
}
_CALLING = frozenset(
    {
        "SelectStmt",
        "InsertStmt",
        "UpdateStmt",
        "DeleteStmt",
        "MergeStmt",
        "CallStmt",
        "CreateTableAsStmt",
        "ExplainStmt",
        "CopyStmt",
        "DeclareCursorStmt",
        "PrepareStmt",
        "ExecuteStmt",
    }
)
"""statements that call the functions which they name"""
_WITH_HOLD = 0x20
"""CURSOR_OPT_HOLD of PostgreSQL's parsenodes.h"""
_SPACE = re.compile(r"\s*")


class Unparsable(Exception):
    """The text is not PostgreSQL's SQL."""


class Shown(NamedTuple):
    """A hazard and where its statement begins, in characters."""

    hazard: str
    place: int


def require() -> None:
    """Raises StackError when the parser is not installed."""
    if find_spec("pgparse") is None:
        raise StackError(
            "stack_audit needs PostgreSQL's parser, which is not installed: pip install pgparse"
        )


@lru_cache(4096)
def residue(sql: str, *, in_transaction: bool = False) -> tuple[Shown, ...]:
    """What the statements leave on a backend or miss on another one. Raises Unparsable."""
    parsed = _parse(sql)
    in_transaction = in_transaction or len(parsed) > 1
    return tuple(
        Shown(hazard, place)
        for place, kind, node in parsed
        for hazard in sorted(set(_residue(kind, node, in_transaction)))
        if not (in_transaction and hazard in BOUND)
    )


@lru_cache(4096)
def defined(sql: str) -> tuple[Shown, ...]:
    """What functions, policies and foreign servers that the statements define will do. Raises
    Unparsable."""
    return tuple(
        Shown(hazard, place)
        for place, kind, node in _parse(sql)
        for hazard in sorted(set(_defined(kind, node)))
    )


def _parse(sql: str) -> list[tuple[int, str, Node]]:
    import pgparse  # an extra: the stack itself does not need it

    try:
        statements = pgparse.parse(sql)
    except (pgparse.PGQueryError, ValueError) as error:
        raise Unparsable(str(error)) from error
    text = sql.encode()
    parsed = []
    place = before = 0
    for statement in statements:
        ((kind, node),) = statement["stmt"].items()
        start = statement.get("stmt_location", 0)
        # The parser counts bytes and begins right behind the semicolon before.
        place += len(text[before:start].decode())
        before = start
        space = _SPACE.match(sql, place)
        parsed.append((space.end() if space else place, kind, node))
    return parsed


def _residue(kind: str, node: Node, in_transaction: bool) -> Iterator[str]:
    if kind in _BY_STATEMENT:
        yield _BY_STATEMENT[kind]
    elif kind == "VariableSetStmt":
        yield from _set(node)
    elif kind == "DeclareCursorStmt" and node["options"] & _WITH_HOLD:
        yield "H006"
    elif kind == "DoStmt":
        yield from (hazard for body in _option(node["args"], "as") for hazard in body_residue(body))
    elif _is_concurrent(kind, node):
        yield "H037"
    if _is_temporary(kind, node, in_transaction):
        yield "H021"
    if kind in _CALLING:
        yield from _calls(node)


def _is_concurrent(kind: str, node: Node) -> bool:
    if kind == "ReindexStmt":
        return any(
            parameter["DefElem"]["defname"] == "concurrently"
            for parameter in node.get("params", ())
        )
    return kind in ("IndexStmt", "DropStmt") and node.get("concurrent", False) is True


def _set(node: Node) -> Iterator[str]:
    kind, name = node["kind"], node.get("name", "")
    if kind == "VAR_RESET_ALL":
        yield "H046"
    elif name == "SESSION CHARACTERISTICS":
        yield "H014"
    elif node.get("is_local") or name in ("TRANSACTION", "TRANSACTION SNAPSHOT"):
        yield "H010"
    elif (
        kind in ("VAR_SET_VALUE", "VAR_SET_CURRENT")
        and _constant(node.get("args", [{}])[0]) != "none"
    ):
        hazard = parameters.hazard_of(name)
        if hazard is not None:
            yield hazard


def _is_temporary(kind: str, node: Node, in_transaction: bool) -> bool:
    into = node.get("intoClause") or node.get("into") or {}
    relation = (
        node.get("relation") or node.get("view") or node.get("sequence") or into.get("rel") or {}
    )
    creates = kind in ("CreateStmt", "ViewStmt", "CreateSeqStmt", "CreateTableAsStmt") or bool(into)
    if not creates or not isinstance(relation, dict):
        return False
    temporary = relation.get("relpersistence") == "t" or relation.get("schemaname") == "pg_temp"
    dropped = "ONCOMMIT_DROP" in (node.get("oncommit"), into.get("onCommit"))
    return temporary and not (dropped and in_transaction)


def _calls(node: Node) -> Iterator[str]:
    for call in _nodes(node, "FuncCall"):
        name = call["funcname"][-1]["String"]["sval"].lower()
        if name in FUNCTIONS:
            yield FUNCTIONS[name]
        elif name == "set_config" and len(call.get("args", ())) == 3:
            yield from _set_config(*call["args"])


def _set_config(name: Node, value: Node, is_local: Node) -> Iterator[str]:
    local = _constant(is_local)
    if local in TRUE:
        yield "H010"
    elif local in FALSE and not value.get("A_Const", {}).get("isnull"):  # NULL is as RESET
        known = _constant(name)
        hazard = "H009" if known is None else parameters.hazard_of(known)
        if hazard is not None:
            yield hazard


def _defined(kind: str, node: Node) -> Iterator[str]:
    options = node.get("options", ())
    if kind == "CreateFunctionStmt":
        yield from (hazard for body in _option(options, "as") for hazard in body_residue(body))
    elif kind == "CreateForeignServerStmt" and node["fdwname"] == "postgres_fdw":
        yield from ("H034" for port in _option(options, "port") if port == POOLER_PORT)
    tested = [
        inner.get("arg", {}) for inner in (*_nodes(node, "TypeCast"), *_nodes(node, "NullTest"))
    ]
    tested += [
        argument for inner in _nodes(node, "CoalesceExpr") for argument in inner.get("args", ())
    ]
    if any(_reads_setting(argument) for argument in tested):
        yield "H011"


def _reads_setting(node: Node) -> bool:
    """Whether this is `current_setting('a.b', true)` itself: NULL at first, '' on a backend that
    has seen it set."""
    call = node.get("FuncCall", {})
    arguments = call.get("args", ())
    return (
        len(arguments) == 2
        and call["funcname"][-1]["String"]["sval"].lower() == "current_setting"
        and "." in (_constant(arguments[0]) or "")
        and _constant(arguments[1]) in TRUE
    )


def _constant(node: Node) -> str | None:
    """The value of a literal, in lower case; None for what is none."""
    if "TypeCast" in node:
        return _constant(node["TypeCast"]["arg"])
    literal = node.get("A_Const")
    if literal is None:
        return None
    if "boolval" in literal:
        return "true" if literal["boolval"].get("boolval") else "false"
    return str(literal.get("sval", {}).get("sval", "")).lower()


def _option(elements: Any, name: str) -> list[str]:
    """The texts of an option of a statement."""
    arguments = [
        element["DefElem"].get("arg", {})
        for element in elements
        if element["DefElem"]["defname"] == name
    ]
    return [
        text["sval"]
        for argument in arguments
        for text in _nodes(argument, "String")
        if "sval" in text
    ]


def _nodes(tree: Any, kind: str) -> Iterator[Node]:
    if isinstance(tree, list):
        for child in tree:
            yield from _nodes(child, kind)
    elif isinstance(tree, dict):
        for name, child in tree.items():
            if name == kind and isinstance(child, dict):
                yield child
            yield from _nodes(child, kind)
