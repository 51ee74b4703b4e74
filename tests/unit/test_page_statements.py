"""No value of a statement reaches the page."""

from __future__ import annotations

import pytest

from pgstack.metrics.statements import told, without_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT * FROM a WHERE b = $1", "SELECT * FROM a WHERE b = $1"),
        ("SELECT 1 /*id='x'*/ FROM a", "SELECT ? FROM a"),
        ("/*one*/ SELECT -- secret\n b1 FROM t2", "SELECT b1 FROM t2"),
        ("UPDATE a SET b = 'it''s mine', c = 2.5e3", "UPDATE a SET b = ?, c = ?"),
        (r"SELECT E'a\'secret', d1 FROM c", "SELECT ?, d1 FROM c"),
        ("SELECT $$secret$$, $q$se'cret$q$", "SELECT ?, ?"),
        ("SELECT U&'s', b'1', X'ff', \"a b\"", 'SELECT ?, ?, ?, "a b"'),
        ("SELECT 'cut off in the mid", "SELECT ?"),
        ("SELECT a /* cut off", "SELECT a"),
        ("SELECT a['1'], 12", "SELECT a[?], ?"),
    ],
)
def test_values_and_comments_are_left_out(text: str, shown: str) -> None:
    assert without_values(text) == shown


def test_long_statements_are_cut() -> None:
    assert without_values("SELECT " + "a, " * 200) == "SELECT " + ("a, " * 200)[:233] + "…"


def test_rows_become_plain_numbers() -> None:
    row = {"text": "SELECT 7", "calls": 3, "seconds": 1.5, "share": None, "rows": 9}
    session = {"pid": 5, "role": "app", "seconds": None, "blocks": True, "waits": False}
    assert told({"statements": [row], "sessions": [session], "locks": [{"pid": 1}]}) == {
        "statements": [{"text": "SELECT ?", "calls": 3, "seconds": 1.5, "share": 0, "rows": 9}],
        "sessions": [{**session, "seconds": 0}],
    }
