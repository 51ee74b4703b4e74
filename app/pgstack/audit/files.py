"""One file: which reader it needs, and what that reader shows."""

from __future__ import annotations

import ast
import configparser
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from pgstack.audit import accept, parser, sql
from pgstack.audit.finding import Finding, Problem
from pgstack.audit.module import Sight
from pgstack.audit.pooler import pooler_sights
from pgstack.audit.static import static_databases
from pgstack.audit.strings import excerpt
from pgstack.audit.walk import Walk

LARGEST = 4 * 1024**2
"""bytes of the largest file that is read: what is larger is data"""
_SUSPECT = re.compile(
    r"execute|iterator\(|advisory|set_session|raw\(|RunSQL|set_config|Concurrently|cursor|pg_dump|pg_restore|"
    r"add_listener|prepare_threshold|callproc|search_path|SESSION|LISTEN|CURSOR|TEMP|ATOMIC_REQUESTS|DATABASES|"
    r"atomic|Thread|schema_context|tenant_context|SET |lastval|currval|setseed|DISCARD|stack:",
)
"""a module without any of these shows nothing; it is only parsed"""
_OTHERS = re.compile("mysql|mariadb|sqlite|oracle|mssql|spatialite|clickhouse|mongo")
"""in the names of files and directories that are about other databases"""
_DUMP = re.compile(r"^-- PostgreSQL database (?:cluster )?dump", re.MULTILINE)
_META = re.compile(r"^\\.*$", re.MULTILINE)
_POOLED_PORT = re.compile(r"(?:-p\s*|--port[= ]|PGPORT=)6432\b")
_SHELL_PROGRAM = re.compile(r"\b(pg_dump|pg_dumpall|pg_restore|psql)\b")


def audit_file(path: Path, shown: str) -> tuple[list[Finding], list[tuple[Finding, str]], list[Problem]]:
    """Findings, accepted findings and problems of a file; `shown` is the path that they name."""
    try:
        if path.stat().st_size > LARGEST:
            return [], [], [Problem(shown, 0, f"not read: larger than {LARGEST // 1024**2} MB")]
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return [], [], [Problem(shown, 0, f"not read: {error}")]
    try:
        sights = list(_READERS[path.suffix](text, path))
    except (SyntaxError, ValueError, RecursionError, configparser.Error, parser.Unparsable) as error:
        line = getattr(error, "lineno", None) or 0
        return [], [], [Problem(shown, line, f"not read: {getattr(error, 'msg', None) or error}")]
    lines = text.splitlines()
    findings = []
    for one in sights:
        source = lines[one.line - 1].strip() if 0 < one.line <= len(lines) else ""
        findings.append(Finding(shown, one.line, one.hazard, one.seen, source, one.in_migration))
    return accept.apply(sorted(findings), text, shown)


def _python(text: str, path: Path) -> Iterator[Sight]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's escapes
        tree = ast.parse(text)
    if _SUSPECT.search(text) is not None:
        foreign = _OTHERS.search("/".join(path.parts[-3:])) is not None
        yield from Walk(tree, in_migration="migrations" in path.parts, foreign=foreign).sights()
        yield from static_databases(tree)


def _sql(text: str, path: Path) -> Iterator[Sight]:
    if _DUMP.search(text) is not None:
        yield Sight("H033", 1, "a dump by pg_dump")
        return
    for one in sql.read(_META.sub(lambda line: " " * len(line[0]), text), in_transaction=False):
        seen = excerpt(text[one.place :].partition(";")[0])
        in_migration = "migrations" in path.parts and not one.defines
        yield Sight(one.hazard, text.count("\n", 0, one.place) + 1, seen, in_migration)


def _shell(text: str, _path: Path) -> Iterator[Sight]:
    """Programs that are given PgBouncer's usual port."""
    for number, line in enumerate(text.splitlines(), start=1):
        program = _SHELL_PROGRAM.search(line.partition("#")[0])
        if program is not None and _POOLED_PORT.search(text if "PGPORT" in text else line):
            yield Sight("H032" if program[1].startswith("pg_dump") else "H033", number, excerpt(line))


_READERS = {".py": _python, ".sql": _sql, ".ini": lambda text, _path: pooler_sights(text), ".sh": _shell}
SUFFIXES = frozenset(_READERS)
"""of the files that are read"""
