"""What the text of a statement leaves on a backend, or misses on another one.

For the guard, which asks at run time and of every statement: the standard library only.
`stack_audit` asks a real parser (`pgstack.audit.parser`); a contract test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from pgstack.hazards import parameters
from pgstack.hazards.lexer import Token, statements

KEPT = 2048
"""statements whose answer is remembered: an ORM's differ in their parameters, which are no part of
the text"""
LONGEST_KEPT = 4096
"""characters of the longest such statement"""
BOUND = frozenset({"H010", "H025", "H027"})
"""harmless inside a transaction; a temporary table is where it is dropped at the transaction's
end"""
FUNCTIONS = {
    "pg_advisory_lock": "H020",
    "pg_advisory_lock_shared": "H020",
    "pg_try_advisory_lock": "H020",
    "pg_try_advisory_lock_shared": "H020",
    "pg_advisory_unlock": "H020",
    "pg_advisory_unlock_shared": "H020",
    "pg_advisory_unlock_all": "H020",
    "currval": "H025",
    "lastval": "H025",
    "setseed": "H026",
    "dblink_connect": "H026",
    "dblink_connect_u": "H026",
}
FALSE = frozenset({"false", "f", "off", "no", "0"})
TRUE = frozenset({"true", "t", "on", "yes", "1"})

_SUSPECT = re.compile(
    r"set_config|advisory_(?:un)?lock|currval|lastval|setseed|dblink_connect|temp|concurrently|\bdo\b|\bexecute\b|"
    r"\b(?:set|discard|listen|declare|prepare|deallocate|load|reset)[\s/-]"
)
"""a text in lower case without any of these is harmless"""
_FIRST = {
    "listen": "H019",
    "discard": "H046",
    "load": "H026",
    "execute": "H022",
    "deallocate": "H022",
}
_DEFINES = frozenset(
    {"create", "alter", "drop", "grant", "revoke", "comment", "reindex", "security"}
)
"""first words of statements that name functions without calling them"""
_TEMPORARY = ("temp", "temporary")
_OPENERS = frozenset({"begin", "then", "else", "loop", "declare"})
"""words of PL/pgSQL after which a statement begins"""


def residue_of(sql: str, *, in_transaction: bool = False) -> tuple[str, ...]:
    """Ids of the hazards that the text of one or more statements shows, sorted; mostly none.

    `in_transaction`: whether a transaction is open in which the text runs, which makes some of it
    harmless. Several statements in one text are a transaction of their own.
    """
    return (_remembered if len(sql) <= LONGEST_KEPT else _classify)(sql, in_transaction)


def body_residue(body: str) -> tuple[str, ...]:
    """The same for the body of a DO block or a function, which always runs in a transaction."""
    return tuple(sorted({hazard for part in statements(body) for hazard in _in_body(part)}))


def _classify(sql: str, in_transaction: bool) -> tuple[str, ...]:
    if _SUSPECT.search(sql.lower()) is None:
        return ()
    parts = list(statements(sql))
    in_transaction = in_transaction or len(parts) > 1
    return tuple(sorted({hazard for part in parts for hazard in _residue(part, in_transaction)}))


_remembered = lru_cache(KEPT)(_classify)


def _residue(part: Sequence[Token], in_transaction: bool) -> Iterator[str]:
    words = [token.text if token.kind == "word" else "" for token in part]
    first = words[0]
    if first == "do":
        yield from (
            hazard
            for token in part
            if token.kind == "string"
            for hazard in body_residue(token.text)
        )
        return
    hazards = [*_by_first_word(first, words, part), *_temporary(words, in_transaction)]
    if first not in _DEFINES or _creates_from_query(words):
        hazards += _calls(words, part)
    yield from (hazard for hazard in hazards if not (in_transaction and hazard in BOUND))


def _by_first_word(first: str, words: list[str], part: Sequence[Token]) -> Iterator[str]:
    if first in _FIRST:
        yield _FIRST[first]
    elif first == "set":
        yield from _set(words[1:], part[1:])
    elif first == "reset" and words[1:] == ["all"]:
        yield "H046"
    elif first == "prepare" and words[1:2] != ["transaction"]:
        yield "H022"
    elif first == "declare" and _contains(words, "with", "hold"):
        yield "H006"
    elif first in ("create", "drop", "reindex") and "concurrently" in words:
        yield "H037"


def _set(words: list[str], part: Sequence[Token]) -> Iterator[str]:
    """SET without its first word."""
    if words[:1] == ["constraints"]:
        yield "H027"
    elif words[:2] == ["session", "characteristics"]:
        yield "H014"
    elif words[:1] == ["local"] or words[:1] == ["transaction"]:
        yield "H010"
    else:
        if words[:1] == ["session"] and words[1:2] != ["authorization"]:
            words, part = words[1:], part[1:]
        name, value = _setting(words, part)
        hazard = parameters.hazard_of(name)
        if hazard is not None and value not in ("default", "none", "local"):
            yield hazard


def _setting(words: list[str], part: Sequence[Token]) -> tuple[str, str]:
    """Name and first word of the value of `name = value`, and of the settings with a syntax of
    their own."""
    for length, name in (
        (2, "time zone"),
        (1, "schema"),
        (1, "names"),
        (1, "role"),
        (2, "session authorization"),
    ):
        if " ".join(words[:length]) == name and part[length : length + 1] not in (
            [("mark", "=")],
            [("word", "to")],
        ):
            return parameters.SPECIAL.get(name, name), (words[length : length + 1] or [""])[0]
    end = next(
        (at for at, token in enumerate(part) if token in (("mark", "="), ("word", "to"))), len(part)
    )
    return "".join(token.text for token in part[:end]), (words[end + 1 : end + 2] or [""])[0]


def _temporary(words: list[str], in_transaction: bool) -> Iterator[str]:
    if words[0] == "create":
        head = [word for word in words[1:5] if word not in ("or", "replace", "global", "local")]
        kind = head[0] if head else ""
        temporary = kind in _TEMPORARY or (kind in ("table", "view") and "pg_temp" in words)
    else:
        temporary = words[0] in ("select", "with") and any(
            _contains(words, "into", word) for word in _TEMPORARY
        )
    if temporary and not (in_transaction and _contains(words, "on", "commit", "drop")):
        yield "H021"


def _calls(words: list[str], part: Sequence[Token]) -> Iterator[str]:
    for at in range(len(part) - 1):
        if part[at + 1] == ("mark", "("):
            if words[at] in FUNCTIONS:
                yield FUNCTIONS[words[at]]
            elif words[at] == "set_config":
                yield from _set_config(_arguments(part[at + 2 :]))


def _set_config(arguments: list[list[Token]]) -> Iterator[str]:
    if len(arguments) != 3:
        return
    name, is_local = arguments[0], arguments[2][0].text.lower()
    if is_local in TRUE:
        yield "H010"
    elif is_local in FALSE and arguments[1] != [("word", "null")]:  # NULL is as RESET
        hazard = parameters.hazard_of(name[0].text) if name[0].kind == "string" else "H009"
        if hazard is not None:
            yield hazard


def _arguments(part: Sequence[Token]) -> list[list[Token]]:
    """The arguments of a call whose opening bracket stands before `part`; only those that are not
    empty."""
    depth, arguments = 0, [[]]  # type: tuple[int, list[list[Token]]]
    for token in part:
        if token.text == ")" and depth == 0:
            break
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "mark" else 0
        if token == ("mark", ",") and depth == 0:
            arguments.append([])
        else:
            arguments[-1].append(token)
    return [argument for argument in arguments if argument]


def _in_body(part: list[Token]) -> Iterator[str]:
    """The statements between two semicolons of PL/pgSQL: what opens a block is not set apart by
    one."""
    start = 0
    for at, token in enumerate([*part, Token("word", "begin")]):
        if token.kind == "word" and token.text in _OPENERS:
            yield from _body_statement(part[start:at])
            start = at + 1


def _body_statement(part: list[Token]) -> Iterator[str]:
    if not part:
        return
    if part[0] == ("word", "execute"):  # not SQL's EXECUTE: the text follows, often inside format()
        for token in part:
            if token.kind == "string":
                yield from residue_of(token.text, in_transaction=True)
        part = part[1:] or [Token("word", "null")]
    yield from _residue(part, True)


def _creates_from_query(words: list[str]) -> bool:
    return (
        words[0] == "create"
        and "as" in words
        and any(word in words[1:5] for word in ("table", "materialized"))
    )


def _contains(words: list[str], *run: str) -> bool:
    return any(tuple(words[at : at + len(run)]) == run for at in range(len(words)))
