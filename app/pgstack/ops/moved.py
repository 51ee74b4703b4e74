"""Whether the rows of one PostgreSQL have all arrived in another: asked by psql, where nobody
writes to either. Runs with a bare Python as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pgstack.errors import TargetError
from pgstack.ops import major
from pgstack.ops.together import Stack

ALIKE = "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET search_path = ''; "
"""rows are compared as texts"""
AT_ONCE = 200
"""tables that one question is about: a command line is bounded"""
OTHERS = """
    SELECT datname FROM pg_database
     WHERE NOT datistemplate AND datname NOT IN ('postgres', '{}') ORDER BY 1"""


def size(stack: Stack) -> int:
    """Bytes of the database. Raises TargetError."""
    return int(stack.sql("SELECT pg_database_size(current_database())", stack.database))


def left_behind(stack: Stack) -> list[str]:
    """Databases of which no dump is made. Raises TargetError."""
    return stack.sql(OTHERS.format(stack.database)).splitlines()


def compare(old: Stack, new: Stack) -> str:
    """What was compared. Raises TargetError with what differs."""
    before, after = _tables(old), _tables(new)
    last, now = _sequences(old), _sequences(new)
    wrong = [*major.differences(before, after), *major.behind(last, now)]
    if wrong:
        raise TargetError("the new version has not what the old one has: " + "; ".join(wrong))
    return f"{len(before)} tables with the same rows, {len(last)} sequences go on"


def _tables(stack: Stack) -> dict[str, str]:
    """Rows and a digest of each."""
    listed = f"SELECT json_agg(name) FROM ({major.TABLES.format(major.DUMPED)}) AS t (name)"  # noqa: S608 - no input
    names = _asked(stack, listed) or []
    seen: dict[str, str] = {}
    for first in range(0, len(names), AT_ONCE):
        digests = " UNION ALL ".join(_digests(names[first : first + AT_ONCE]))
        seen |= _asked(stack, f"SELECT json_object_agg(name, said) FROM ({digests}) AS d")  # noqa: S608 - names are quoted
    return seen


def _digests(names: list[str]) -> Iterator[str]:
    for name in names:
        text = name.replace("'", "''")
        yield f"SELECT '{text}' AS name, said FROM ({major.DIGEST.format(name)}) AS t (said)"  # noqa: S608 - names are quoted


def _sequences(stack: Stack) -> dict[str, tuple[int, int]]:
    """Last number and step of each."""
    query = f"SELECT json_object_agg(name, json_build_array(last, step)) FROM ({major.SEQUENCES}) AS s (name, last, step)"  # noqa: E501, S608 - no input
    seen = _asked(stack, query) or {}
    return {name: (last, step) for name, (last, step) in seen.items()}


def _asked(stack: Stack, query: str) -> Any:
    return json.loads(stack.sql(ALIKE + query, stack.database) or "null")
