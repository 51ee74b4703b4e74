"""What the page asks PostgreSQL while somebody looks: which statements take most time, and who has
had a transaction open for longest. No value of a statement leaves this module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SHOWN = 240
"""characters of a statement"""

# Commands that are not planned keep their values in this view, such as a password. They are left
# out, and so is the exporter.
STATEMENTS = r"""
    SELECT left(query, 4000) AS text, calls, total_exec_time / 1000 AS seconds, rows,
           total_exec_time / nullif(sum(total_exec_time) OVER (), 0) AS share
      FROM stack.pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND userid <> current_user::regrole AND toplevel
       AND query ~* '^(\s|/\*.*?\*/)*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH)\M'
     ORDER BY total_exec_time DESC LIMIT 10"""
# Of a text only its first two words: no value is one.
SESSIONS = """
    WITH blockers AS MATERIALIZED (
        SELECT DISTINCT unnest(pg_blocking_pids(pid)) AS pid
          FROM (SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                 ORDER BY query_start LIMIT 100) AS waiting)
    SELECT a.pid, coalesce(usename, '') AS role, left(application_name, 40) AS program,
           coalesce(state, '') AS state,
           extract(epoch FROM clock_timestamp() - xact_start) AS seconds,
           coalesce(substring(query FROM '^[[:space:]]*([A-Za-z]+([[:space:]]+[A-Za-z_]+)?)'), '')
             AS words,
           b.pid IS NOT NULL AS blocks, coalesce(wait_event_type = 'Lock', false) AS waits
      FROM pg_stat_activity AS a LEFT JOIN blockers AS b ON b.pid = a.pid
     WHERE backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND xact_start IS NOT NULL
     ORDER BY b.pid IS NOT NULL AND wait_event_type IS DISTINCT FROM 'Lock' DESC, xact_start
     LIMIT 6"""
QUERIES = {"statements": STATEMENTS, "sessions": SESSIONS}

COMMENT = re.compile(r"/\*.*?(\*/|$)|--[^\n]*", re.DOTALL)
TEXT = re.compile(
    r"\b[Ee]'(?:\\.|''|[^'\\])*(?:'|$)"  # with escapes
    r"|(?:\b[BbXxNn]|\b[Uu]&)?'(?:''|[^'])*(?:'|$)"
    r"|\$(\w*)\$.*?(?:\$\1\$|$)",
    re.DOTALL,
)
NUMBER = re.compile(r"(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b")


def told(found: Mapping[str, Any]) -> dict[str, Any]:
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
            for row in found.get("statements", ())
        ],
        "sessions": [
            {**row, "seconds": float(row["seconds"] or 0)} for row in found.get("sessions", ())
        ],
    }


def without_values(text: str) -> str:
    """A statement without comments and values. PostgreSQL has mostly put $1 in place of these, and
    not where it had to make room before a statement ended."""
    text = TEXT.sub("?", COMMENT.sub(" ", text))
    text = " ".join(NUMBER.sub("?", text).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
