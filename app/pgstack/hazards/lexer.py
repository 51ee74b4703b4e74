"""SQL text to tokens, as far as telling code from comments and strings needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["word", "name", "string", "parameter", "mark"]


class Token(NamedTuple):
    """One token; words in lower case, strings and quoted names without their quotes."""

    kind: Kind
    text: str


_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<parameter>%\(\w+\)s|%s|%b|%t|\$\d+)
  | [eE]'(?P<escaped>(?:[^'\\]|\\.|'')*)'
  | (?:[uU]&|[bBxXnN])?'(?P<string>(?:[^']|'')*)'
  | \$(?P<tag>\w*)\$(?P<dollar>.*?)\$(?P=tag)\$
  | "(?P<name>(?:[^"]|"")*)"
  | (?P<word>[^\W\d][\w$]*)
  | (?P<mark>\d[\w.]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def tokens(sql: str) -> Iterator[tuple[int, Token]]:
    """The tokens of a text and where each begins, comments left out. What is not closed is read
    mark by mark."""
    place = 0
    while place < len(sql):
        match = _TOKEN.match(sql, place)
        if match is None:  # the pattern's last branch takes any character
            raise AssertionError(f"no token at {place}")
        start, place, kind = place, match.end(), match.lastgroup
        if kind == "comment":
            place = _end_of_comment(sql, place)
        elif kind in ("word", "parameter", "mark"):
            yield start, Token(kind, match[0].lower() if kind == "word" else match[0])  # type: ignore[arg-type]
        elif kind == "name":
            yield start, Token("name", match["name"].replace('""', '"'))
        elif kind != "space":
            text = match["escaped"] or match["string"] or match["dollar"] or ""
            yield start, Token("string", text.replace("''", "'"))


def statements(sql: str) -> Iterator[list[Token]]:
    """The tokens of each statement of a text; none for an empty one."""
    yield from (part for _, part in placed_statements(sql))


def placed_statements(sql: str) -> Iterator[tuple[int, list[Token]]]:
    """The same, with where each begins."""
    start, statement = 0, []  # type: tuple[int, list[Token]]
    for place, token in tokens(sql):
        if token == ("mark", ";"):
            if statement:
                yield start, statement
            statement = []
        else:
            start = start if statement else place
            statement.append(token)
    if statement:
        yield start, statement


def _end_of_comment(sql: str, place: int) -> int:
    """Where a comment that began before `place` ends; comments nest."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, place)
        if edge is None:
            return len(sql)
        depth += 1 if edge[0] == "/*" else -1
        place = edge.end()
    return place
