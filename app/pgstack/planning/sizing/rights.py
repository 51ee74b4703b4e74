"""Functions of PostgreSQL's own that everybody may call and the web has no use for."""

from __future__ import annotations

LARGE_OBJECTS = (
    "lo_creat(integer)",
    "lo_create(oid)",
    "lo_from_bytea(oid, bytea)",
    "lo_put(oid, bigint, bytea)",
    "lowrite(integer, bytea)",
    "lo_truncate(integer, integer)",
    "lo_truncate64(integer, bigint)",
    "lo_unlink(oid)",
)
"""files of any size and content in the database, which no table shows"""
SIGNALS = ("pg_cancel_backend(integer)", "pg_terminate_backend(integer, bigint)")
"""they end requests of others: all backends of the web are one role's"""


def closed(postgresql: int) -> tuple[str, ...]:
    """Their signatures, in this major version. pg_logical_emit_message writes WAL without end and
    without a table."""
    flush = ", boolean" if postgresql >= 17 else ""
    messages = tuple(
        f"pg_logical_emit_message(boolean, text, {kind}{flush})" for kind in ("text", "bytea")
    )
    return (*LARGE_OBJECTS, *SIGNALS, *messages)
