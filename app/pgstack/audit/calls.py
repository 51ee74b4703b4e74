"""Calls of Django, the drivers and other packages that are hazards whatever SQL they are given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pgstack.audit import packages
from pgstack.audit.place import Place, is_direct
from pgstack.audit.syntax import constant, full_name, keyword, name_of
from pgstack.audit.values import Values
from pgstack.hazards.statements import FUNCTIONS

Shown = Iterator[tuple[str, ast.AST]]

_WAITS = frozenset(
    {"time.sleep", "urllib.request.urlopen", "django.core.mail.send_mail", "django.core.mail.mail_admins"}
    | {f"{library}.{verb}" for library in ("requests", "httpx") for verb in
       ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream")}
)  # fmt: skip
_CONCURRENT = frozenset(
    {f"django.contrib.postgres.operations.{one}" for one in ("AddIndexConcurrently", "RemoveIndexConcurrently")}
)
_SESSION = ("isolation_level", "readonly", "deferrable")
_PROGRAMS = {"pg_dump": "H032", "pg_dumpall": "H032", "pg_restore": "H033"}
_STARTERS = frozenset({"Thread", "Process", "submit", "run_in_executor", "to_thread", "start_new_thread"})
_CLOSERS = frozenset({"close_old_connections", "close_all", "close_if_unusable_or_obsolete"})


def hazards(node: ast.Call, place: Place, values: Values, imported: dict[str, str]) -> Shown:
    """Hazards of a call, and the node that shows them."""
    name = full_name(node.func, imported)
    if name in _CONCURRENT:
        yield "H037", node
    if place.atomic and name in _WAITS:
        yield "H040", node
    use = packages.CALLS.get(name)
    if use is not None and not (use.harmless_with and constant(keyword(node, use.harmless_with))):
        yield use.hazard, node
    yield from _drivers(node, name, place, values)
    yield from _sqlalchemy(node, place)
    if name_of(node) in _STARTERS:
        yield from _threads(node, values, place)


def programs(node: ast.Constant, place: Place) -> Shown:
    """Hazards of naming a program that dumps or restores."""
    text = node.value
    if isinstance(text, str) and not place.quiet and (words := text.split(maxsplit=1)) and text[0] != " ":
        hazard = _PROGRAMS.get(words[0].rpartition("/")[2])
        if hazard is not None and (len(words) == 1 or words[1].startswith("-")):
            yield hazard, node


def _drivers(node: ast.Call, name: str, place: Place, values: Values) -> Shown:
    method = name_of(node)
    if not isinstance(node.func, ast.Attribute) or is_direct(node.func, values, place.scopes):
        return
    if method == "set_session" and _changes_session(node):
        yield "H015", node
    elif method == "add_listener" and len(node.args) == 2 and isinstance(constant(node.args[0]), str):
        yield "H019", node
    threshold = keyword(node, "prepare_threshold")
    if (name.startswith("psycopg") and threshold is not None and constant(threshold) is not None) or (method in ("execute", "executemany") and constant(keyword(node, "prepare")) is True):
        yield "H023", node


def _changes_session(node: ast.Call) -> bool:
    """psycopg2 sends SET only in autocommit, which a connection of Django is in."""
    of_django = isinstance(node.func, ast.Attribute) and name_of(node.func.value) == "connection"
    autocommit = constant(keyword(node, "autocommit")) is True or (len(node.args) > 3 and constant(node.args[3]) is True)
    changes = bool(node.args) or any(keyword(node, word) is not None for word in _SESSION)
    return changes and (autocommit or of_django)


def _sqlalchemy(node: ast.Call, place: Place) -> Shown:
    """`func.pg_advisory_lock(…)`, and Django's `Func(…, function="pg_advisory_lock")`."""
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr in FUNCTIONS and name_of(called.value) == "func":
        yield FUNCTIONS[called.attr], node
    function = constant(keyword(node, "function"))
    if isinstance(function, str) and function.lower() in FUNCTIONS:
        yield FUNCTIONS[function.lower()], node


def _threads(node: ast.Call, values: Values, place: Place) -> Shown:
    """A function of this module that is started in a thread, asks the database and never closes its connection."""
    target = keyword(node, "target") or next(iter(node.args), None)
    bodies = values.functions.get(name_of(target), []) if isinstance(target, ast.Name | ast.Attribute) else []
    for body in bodies:
        names = {name_of(one) for one in ast.walk(body) if isinstance(one, ast.Attribute | ast.Name)}
        closes = any(
            isinstance(one, ast.Call) and name_of(one) == "close" and "connection" in ast.unparse(one.func)
            for one in ast.walk(body)
        )
        if names & {"objects", "_default_manager"} and not closes and not names & _CLOSERS:
            yield "H043", node
            return
