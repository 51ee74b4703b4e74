"""What a line of a file of variables means."""

from __future__ import annotations

import pytest

from fixtures.odd_values import AS_COMPOSE, LITERAL
from pgstack.environment_file import LineError, parse

VALUES = [
    ("A=value", "value"),
    ("A=", ""),
    ("A=a b c", "a b c"),
    ("A=abc   ", "abc"),
    ("A=   abc", "abc"),
    ("A=ab#cd", "ab#cd"),
    ("A=ab #cd", "ab #cd"),
    ("A=pa$$w${HOME}rd", "pa$$w${HOME}rd"),
    ("A=$HOME", "$HOME"),
    ("A=${MISSING:-x}", "${MISSING:-x}"),
    ("A=$", "$"),
    ('A="double $HOME ${HOME} #x"', "double $HOME ${HOME} #x"),
    ("A='single $HOME #x'", "single $HOME #x"),
    ('A="a" # c', '"a" # c'),
    ("A='a' # c", "'a' # c"),
    (r'A="a\nb"', "a\nb"),
    (r'A="a\tb"', "a\tb"),
    (r'A="a\"b"', 'a"b'),
    (r'A="a\$b"', "a$b"),
    (r'A="a\\nb"', r"a\nb"),
    (r'A="a\`b"', "a`b"),
    (r'A="a\qb"', r"a\qb"),
    (r"A='a\nb'", r"a\nb"),
    (r"A=a\nb", r"a\nb"),
    (r"A=C:\path\new", r"C:\path\new"),
    ("A=a=b=c", "a=b=c"),
    ('A=a"b"c', 'a"b"c'),
    ("A=it's", "it's"),
    ('A={"a": "b #c"}', '{"a": "b #c"}'),
    ("A='{\"a\": 1}'", '{"a": 1}'),
    ("A=münchen", "münchen"),
    ("A=a!b", "a!b"),
    ("A=100%", "100%"),
    ("A=`id`", "`id`"),
    ("A=$(id)", "$(id)"),
    ("  A=indented", "indented"),
    ("export A=exported", "exported"),
    ("A = spaced", "spaced"),
    ("A=1\nA=2", "2"),
    ("# A=no\n\nA=yes", "yes"),
    ('A="one\ntwo"', "one\ntwo"),
    ("A='-----BEGIN\nabc=\n-----END'\nB=1", "-----BEGIN\nabc=\n-----END"),
    ("\ufeffA=marked", "marked"),
    ("A=''", ""),
    ('A="it\'s"', "it's"),
    ("A='say \"x\"'", 'say "x"'),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_value_is_taken_literally_but_for_its_quotes(text: str, value: str) -> None:
    assert parse(text)["A"] == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A=1\nnot a line", "line 2: it is not NAME=value"),
        ("1A=2", "line 1: it is not NAME=value"),
        ("A='open\nB=1", "line 1: a quote is open and never closed"),
        ('A="open', "line 1: a quote is open"),
    ],
)
def test_what_is_no_line_is_refused_with_its_number(text: str, reason: str) -> None:
    with pytest.raises(LineError, match=reason):
        parse(text)


@pytest.mark.parametrize("text", [*AS_COMPOSE, *LITERAL])
def test_a_value_is_composes_but_for_what_compose_puts_in_or_cuts(text: str) -> None:
    assert parse(f"# first\n\n{text}\nNEXT=1\n") == {"X": (AS_COMPOSE | LITERAL)[text], "NEXT": "1"}
