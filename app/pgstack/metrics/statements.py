"""What the page asks PostgreSQL while it is being watched: which statements take most time, and
which sessions have had a transaction open longest. No value of a statement leaves this module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pgstack.metrics import sessions

SHOWN = 240
"""characters of a statement"""

# This view keeps the values of utility commands, such as a password: they are left out, and so is
# the exporter.
STATEMENTS = r"""
    SELECT left(query, 4000) AS text, calls, total_exec_time / 1000 AS seconds, rows,
           total_exec_time / nullif(sum(total_exec_time) OVER (), 0) AS share
      FROM stack.pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND userid <> current_user::regrole AND toplevel
       AND query ~* '^(\s|/\*.*?\*/)*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH)\M'
     ORDER BY total_exec_time DESC LIMIT 10"""
QUERIES = {"statements": STATEMENTS, "sessions": sessions.WITH_WORDS}

COMMENT = re.compile(r"/\*.*?(\*/|$)|--[^\n]*", re.DOTALL)
TEXT = re.compile(
    r"\b[Ee]'(?:\\.|''|[^'\\])*(?:'|$)"  # with escapes
    r"|(?:\b[BbXxNn]|\b[Uu]&)?'(?:''|[^'])*(?:'|$)"
    r"|\$(\w*)\$.*?(?:\$\1\$|$)",
    re.DOTALL,
)
NUMBER = re.compile(r"(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b")


def told(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The rows, as the page is given them."""
    return {
        "statements": [
            {
                "text": without_values(row["text"]),
                "calls": int(row["calls"]),
                "seconds": float(row["seconds"]),
                "share": float(row["share"] or 0),
                "rows": int(row["rows"]),
            }
            for row in answers.get("statements", ())
        ],
        "sessions": [
            {**row, "seconds": float(row["seconds"] or 0)} for row in answers.get("sessions", ())
        ],
    }


def without_values(text: str) -> str:
    """A statement without comments and values. PostgreSQL has mostly put $1 in place of these, and
    not where it had to make room before a statement ended."""
    text = TEXT.sub("?", COMMENT.sub(" ", text))
    text = " ".join(NUMBER.sub("?", text).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
