"""What SQL in a string shows: the parser reads it, with something in place of what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from pgstack.audit import parser
from pgstack.audit.values import HOLE
from pgstack.hazards.lexer import placed_statements
from pgstack.hazards.statements import residue_of

_PLACEHOLDER = re.compile(rf"%\(\w+\)s|%[sbt]|(?<![:\w]):[a-z_]\w*|\{{[a-z_]*\}}|{HOLE}")
_FILLINGS = ("p", "(p)", "")
"""a name does for a name, a value and a part of a string; brackets for IN; nothing for a whole
clause"""
_SUSPECT = re.compile(
    r"advisory_(?:un)?lock|set_config|currval|lastval|setseed|dblink_connect|current_setting|concurrently|temp|"
    r"postgres_fdw|\b(?:set|discard|listen|declare|prepare|deallocate|load|reset|execute)\b",
    re.IGNORECASE,
)
_OTHERS_SETTINGS = re.compile(
    r"set\s+(?:session\s+|global\s+|@@\w+\.)?(?:foreign_key_checks|unique_checks|sql_\w+|autocommit|wait_timeout|"
    r"identity_insert|nocount|storage_engine|innodb\w*|profiling|max_statement_time|password)\b|@@",
    re.IGNORECASE,
)
"""statements of MySQL and SQL Server that PostgreSQL's parser takes for its own"""


class Read(NamedTuple):
    """A hazard of a text, where its statement begins, and whether PostgreSQL's parser could read
    the text."""

    hazard: str
    place: int
    parsed: bool
    defines: bool
    """shown by a body or policy that the text stores, not by running the text"""


@lru_cache(8192)
def read(text: str, *, in_transaction: bool) -> tuple[Read, ...]:
    """The hazards of a text that may have holes and placeholders."""
    if _SUSPECT.search(text) is None or _OTHERS_SETTINGS.match(text.lstrip()):
        return ()
    for filling in _FILLINGS if _PLACEHOLDER.search(text) else ("",):
        filled = _filled(text, filling)
        try:
            shown = parser.residue(filled, in_transaction=in_transaction)
            defined = parser.defined(filled)
        except parser.Unparsable:
            continue
        return (
            *(Read(residue.hazard, residue.place, True, False) for residue in shown),
            *(Read(residue.hazard, residue.place, True, True) for residue in defined),
        )
    return tuple(_one_by_one(text, in_transaction=in_transaction))


def _filled(text: str, filling: str) -> str:
    """The text with something for each placeholder; what follows another one directly is a clause,
    often empty."""
    end = -1

    def fill(match: re.Match[str]) -> str:
        nonlocal end
        attached = match.start() == end or text[match.start() - 1 : match.start()] == ")"
        end = match.end()
        return "" if attached else filling

    return _PLACEHOLDER.sub(fill, text).replace("%%", "%")


def _one_by_one(text: str, *, in_transaction: bool) -> Iterator[Read]:
    """The statements of a text that cannot be read as a whole; the last resort is the guard's
    reader."""
    starts = [place for place, _ in placed_statements(text)]
    if len(starts) < 2:
        hazards = residue_of(text.replace(HOLE, "p"), in_transaction=in_transaction)
        yield from (Read(hazard, starts[0] if starts else 0, False, False) for hazard in hazards)
        return
    for start, end in pairwise([*starts, len(text)]):
        for inner in read(text[start:end].rstrip().removesuffix(";"), in_transaction=True):
            yield inner._replace(place=start + inner.place)
