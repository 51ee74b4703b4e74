"""Calls and settings of Django, the drivers and other packages that are hazards whatever SQL they
are given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pgstack.audit import packages
from pgstack.audit.module import Module
from pgstack.audit.place import Place, is_direct
from pgstack.audit.syntax import constant, full_name, keyword, name_of
from pgstack.hazards.statements import FUNCTIONS

Shown = Iterator[tuple[str, ast.AST]]

_WAITS = frozenset(
    {
        "time.sleep",
        "urllib.request.urlopen",
        "django.core.mail.send_mail",
        "django.core.mail.mail_admins",
    }
    | {
        f"{library}.{verb}"
        for library in ("requests", "httpx")
        for verb in (
            "get",
            "post",
            "put",
            "patch",
            "delete",
            "head",
            "options",
            "request",
            "stream",
        )
    }
)
"""calls that wait for somebody else"""
_CONCURRENT = frozenset(
    f"django.contrib.postgres.operations.{operation}"
    for operation in ("AddIndexConcurrently", "RemoveIndexConcurrently")
)
_SESSION = ("isolation_level", "readonly", "deferrable")
_PROGRAMS = {"pg_dump": "H032", "pg_dumpall": "H032", "pg_restore": "H033"}
_STARTERS = frozenset(
    {
        "Thread",
        "Process",
        "Timer",
        "submit",
        "run_in_executor",
        "to_thread",
        "start_new_thread",
        "apply_async",
        "map",
        "imap",
        "imap_unordered",
        "map_async",
        "starmap",
        "starmap_async",
    }
)
"""calls that have a function run elsewhere: those of threading, multiprocessing, concurrent.futures
and asyncio"""
_RUNNERS = frozenset({"Thread", "Process", "Timer"})
"""classes whose method `run` is run elsewhere"""
_CLOSERS = frozenset({"close_old_connections", "close_all", "close_if_unusable_or_obsolete"})
_TENANT = frozenset({"set_tenant", "set_schema", "set_schema_to_public"})


def hazards(node: ast.Call, place: Place, module: Module) -> Shown:
    """Hazards of a call, and the node that shows them."""
    name = full_name(node.func, module.imported)
    if name in _CONCURRENT:
        yield "H037", node
    if place.atomic and name in _WAITS:
        yield "H040", node
    use = packages.CALLS.get(name)
    if use is not None and not (use.harmless_with and constant(keyword(node, use.harmless_with))):
        yield use.hazard, node
    builtin = isinstance(node.func, ast.Name) and node.func.id == "map"
    if ((name_of(node) in _STARTERS and not builtin) or _leaves_loop(node)) and _forgets_connection(
        node, module
    ):
        yield "H043", node
    if not place.quiet and not is_direct(node.func, module.values, place.scopes):
        yield from _drivers(node, name)
        yield from _functions(node, place, module)


def programs(node: ast.Constant, place: Place) -> Shown:
    """Hazards of naming a program that dumps or restores."""
    text = node.value
    if isinstance(text, str) and not place.quiet and text[:1].strip():
        program, _, arguments = text.partition(" ")
        hazard = _PROGRAMS.get(program.rpartition("/")[2])
        if hazard is not None and (not arguments or arguments.lstrip().startswith("-")):
            yield hazard, node


def entries(node: ast.Dict, module: Module, place: Place) -> Shown:
    """Hazards of a dictionary of connection options."""
    for key, value in zip(node.keys, node.values, strict=True):
        if constant(key) == "options" and _is_startup(value, module, place):
            yield "H028", value


def assignments(node: ast.Assign | ast.AnnAssign | ast.Return, module: Module) -> Shown:
    """Hazards of setting one connection option, and an attribute of psycopg2's connection behind
    Django's."""
    if not isinstance(node, ast.Assign):
        return
    target = node.targets[0]
    if isinstance(target, ast.Subscript) and constant(target.slice) == "options":
        if _is_startup(node.value, module, Place(scopes=[module.tree])):
            yield "H028", node
    elif (
        isinstance(target, ast.Attribute)
        and target.attr in _SESSION
        and _is_below_django(target.value)
    ):
        yield "H015", node


def _is_below_django(node: ast.expr) -> bool:
    """Whether this is `connection.connection`: the driver's, of Django's."""
    return isinstance(node, ast.Attribute) and node.attr == name_of(node.value) == "connection"


def _is_startup(node: ast.expr, module: Module, place: Place) -> bool:
    return any(text.lstrip().startswith("-c") for text in module.values.strings(node, place.scopes))


def _drivers(node: ast.Call, name: str) -> Shown:
    method = name_of(node)
    if method == "set_session" and _changes_session(node):
        yield "H015", node
    elif (
        method == "add_listener" and len(node.args) == 2 and isinstance(constant(node.args[0]), str)
    ):
        yield "H019", node
    elif (
        method in _TENANT
        and isinstance(node.func, ast.Attribute)
        and name_of(node.func.value) == "connection"
    ):
        yield "H045", node
    elif method in ("execute", "executemany") and constant(keyword(node, "prepare")) is True:
        yield "H023", node
    if name.startswith("psycopg") and constant(keyword(node, "prepare_threshold")) is not None:
        yield "H023", node


def _changes_session(node: ast.Call) -> bool:
    """psycopg2 sends SET only in autocommit, which a connection of Django is in."""
    of_django = isinstance(node.func, ast.Attribute) and name_of(node.func.value) == "connection"
    given = keyword(node, "autocommit") or next(iter(node.args[3:]), None)
    changes = bool(node.args) or any(keyword(node, word) is not None for word in _SESSION)
    return changes and (constant(given) is True or of_django)


def _functions(node: ast.Call, place: Place, module: Module) -> Shown:
    """A function of PostgreSQL by its name: SQLAlchemy's `func.pg_advisory_lock()`, or given to
    what builds the SQL."""
    if (
        isinstance(node.func, ast.Attribute)
        and name_of(node.func.value) == "func"
        and node.func.attr in FUNCTIONS
    ):
        yield FUNCTIONS[node.func.attr], node
        return
    for argument in (*node.args, *(word.value for word in node.keywords)):
        if isinstance(argument, ast.Constant | ast.Name):
            for text in module.values.strings(argument, place.scopes):
                if text in FUNCTIONS:
                    yield FUNCTIONS[text], node


def _leaves_loop(node: ast.Call) -> bool:
    """Whether asgiref runs what it is given in any thread of its pool; without the word it is
    Django's one thread."""
    return name_of(node) == "sync_to_async" and constant(keyword(node, "thread_sensitive")) is False


def decorated(node: ast.FunctionDef, module: Module) -> Shown:
    """Hazards of a function that a decorator has run elsewhere."""
    elsewhere = any(
        isinstance(decorator, ast.Call) and _leaves_loop(decorator)
        for decorator in node.decorator_list
    )
    if module.is_django and elsewhere and _leaves_connection(node):
        yield "H043", ast.Expr(ast.Name(node.name), lineno=node.lineno)


def _forgets_connection(node: ast.Call, module: Module) -> bool:
    """Whether a function of this module is started that asks a model and never closes its
    connection."""
    # Its place is the first or, behind an executor or a time, the second.
    given = [
        keyword(node, "target"),
        keyword(node, "function"),
        keyword(node, "func"),
        *node.args[:2],
    ]
    names = [_started(part) for part in given if part is not None] if module.is_django else []
    return any(
        _leaves_connection(body) for name in names for body in module.values.functions.get(name, [])
    )


def _started(node: ast.expr) -> str:
    """Name of the function that is handed over, as it is, in a lambda, or with arguments bound to
    it."""
    if isinstance(node, ast.Lambda):
        return name_of(node.body) if isinstance(node.body, ast.Call) else ""
    if isinstance(node, ast.Call):
        return name_of(node.args[0]) if name_of(node) == "partial" and node.args else ""
    return name_of(node)


def _leaves_connection(body: ast.AST) -> bool:
    parts = list(ast.walk(body))
    return _asks(parts) and not _closes(parts)


def classes(node: ast.ClassDef, module: Module) -> Shown:
    """Hazards of a class that is a thread or a process."""
    if module.is_django and any(name_of(base) in _RUNNERS for base in node.bases):
        for part in node.body:
            if (
                isinstance(part, ast.FunctionDef)
                and part.name == "run"
                and _leaves_connection(part)
            ):
                yield "H043", ast.Expr(ast.Name(f"{node.name}.run"), lineno=part.lineno)


def _asks(parts: list[ast.AST]) -> bool:
    return any(
        isinstance(part, ast.Attribute) and part.attr in ("objects", "_default_manager")
        for part in parts
    )


def _closes(parts: list[ast.AST]) -> bool:
    called = [part for part in parts if isinstance(part, ast.Call)]
    return any(
        name_of(call) in _CLOSERS
        or (name_of(call) == "close" and "connection" in ast.unparse(call.func))
        for call in called
    )
