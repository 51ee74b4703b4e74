"""One file: which reader it needs, and what that reader shows."""

from __future__ import annotations

import ast
import configparser
import re
import tokenize
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pgstack.audit import accept, parser, sql
from pgstack.audit.finding import Finding, Problem
from pgstack.audit.module import Sight
from pgstack.audit.pooler import pooler_sights
from pgstack.audit.static import LARGEST, static_databases
from pgstack.audit.strings import LONGEST, excerpt
from pgstack.audit.values import MOST
from pgstack.audit.walk import Walk

TOO_MANY = (
    f"too many variants: this statement was read in {MOST} of the ways in which it can be put "
    f"together"
)
_OTHERS = re.compile("mysql|mariadb|sqlite|oracle|mssql|spatialite|clickhouse|mongo")
"""in the names of files and directories that are about other databases"""
_DUMP = re.compile(r"^-- PostgreSQL database (?:cluster )?dump", re.MULTILINE)
_END = re.compile("\n")
_META = re.compile(r"^\\.*$", re.MULTILINE)
_POOLED_PORT = re.compile(r"(?:-p\s*|--port[= ]|PGPORT=)6432\b")
_SHELL_PROGRAM = re.compile(r"\b(pg_dump|pg_dumpall|pg_restore|psql)\b")


Outcome = tuple[list[Finding], list[tuple[Finding, str]], list[Problem]]
"""findings, accepted findings with their reasons, problems"""


def audit_file(path: Path, shown: str, *, settings_known: bool = False) -> Outcome:
    """What a file shows; `shown` is the path that findings name.

    `settings_known`: DATABASES has been read from Django, and is not judged where it is written.
    """
    try:
        if not path.is_file() and path.exists():
            return [], [], [Problem(shown, 0, "not read: it is not a file")]
        if path.stat().st_size > LARGEST:
            return [], [], [Problem(shown, 0, f"not read: larger than {LARGEST // 1024**2} MB")]
        text = _text(path)
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        return [], [], [Problem(shown, 0, f"not read: {error}")]
    try:
        shows = list(_READERS[path.suffix](text, path))
    except (
        SyntaxError,
        ValueError,
        RecursionError,
        configparser.Error,
        parser.Unparsable,
    ) as error:
        line = getattr(error, "lineno", None) or 0
        return [], [], [Problem(shown, line, f"not read: {getattr(error, 'msg', None) or error}")]
    lines = text.splitlines()
    findings = []
    notices = [replace(show, path=shown) for show in shows if isinstance(show, Problem)]
    sights = [show for show in shows if isinstance(show, Sight)]
    shown_by_code = {(sight.hazard, sight.line) for sight in sights if not sight.of_settings}
    for sight in sights:
        if sight.of_settings and (settings_known or (sight.hazard, sight.line) in shown_by_code):
            continue
        source = lines[sight.line - 1].strip() if 0 < sight.line <= len(lines) else ""
        findings.append(
            Finding(shown, sight.line, sight.hazard, sight.seen, source, sight.in_migration)
        )
    left, accepted, problems = accept.apply(sorted(findings), text, shown)
    return left, accepted, [*problems, *notices]


def _text(path: Path) -> str:
    """The text of a file; Python may say which encoding it has."""
    if path.suffix != ".py":
        return path.read_text()
    with tokenize.open(path) as file:
        return file.read()


def _python(text: str, path: Path) -> Iterator[Sight | Problem]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's escapes
        tree = ast.parse(text)
    foreign = _OTHERS.search("/".join(path.parts[-3:])) is not None
    walk = Walk(tree, in_migration="migrations" in path.parts, foreign=foreign)
    yield from walk.sights()
    yield from static_databases(tree)
    yield from (Problem("", line, TOO_MANY, "notice") for line in sorted(walk.cut))


def _sql(text: str, path: Path) -> Iterator[Sight]:
    if _DUMP.search(text) is not None:
        yield Sight("H033", 1, "a dump by pg_dump")
        return
    ends = [match.start() for match in _END.finditer(text)]
    for read in sql.read(_META.sub(lambda line: " " * len(line[0]), text), in_transaction=False):
        seen = excerpt(text[read.place : read.place + LONGEST].partition(";")[0])
        in_migration = "migrations" in path.parts and not read.defines
        yield Sight(read.hazard, bisect_left(ends, read.place) + 1, seen, in_migration)


def _shell(text: str, _path: Path) -> Iterator[Sight]:
    """Programs that are given PgBouncer's usual port."""
    for number, line in enumerate(text.splitlines(), start=1):
        program = _SHELL_PROGRAM.search(line.partition("#")[0])
        if program is not None and _POOLED_PORT.search(text if "PGPORT" in text else line):
            yield Sight(
                "H032" if program[1].startswith("pg_dump") else "H033", number, excerpt(line)
            )


_READERS = {
    ".py": _python,
    ".sql": _sql,
    ".ini": lambda text, _path: pooler_sights(text),
    ".sh": _shell,
}
SUFFIXES = frozenset(_READERS)
"""of the files that are read"""
