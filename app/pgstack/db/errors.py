"""What PostgreSQL means by an error, and what to do about one that the web's role meets."""

from __future__ import annotations

NOT_AVAILABLE = "55P03"
"""SQLSTATE of a lock that lock_timeout gave up on"""
NOT_ALLOWED = "42501"
"""SQLSTATE of what the role has no privilege for"""
REMEDY = (
    "The web's role reads and writes rows and owns nothing. Do this in a migration, on the alias "
    "`direct` in a command "
    "(pgstack.db.direct.on_direct), or in a SECURITY DEFINER function that a migration makes: "
    "docs/your-project.md, "
    '"What the web may do in the database".'
)
READ_ONLY = "25006"
"""SQLSTATE of a write in a transaction that only reads"""
READS = (
    "`replica` takes no writes, on a standby and on the primary alike. Write on `default`: "
    "docs/replicas.md."
)


def sqlstate(error: Exception) -> str | None:
    """Of the driver's error below Django's; psycopg2 and psycopg 3 name it differently."""
    cause = error.__cause__
    code: str | None = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code


def explain(error: Exception, *, read_only: bool = False) -> None:
    """Add the remedy to what is shown of an error that a privilege would have kept away, or another
    alias than one that is `read_only`."""
    if sqlstate(error) == NOT_ALLOWED:
        error.add_note(REMEDY)
    if read_only and sqlstate(error) == READ_ONLY:
        error.add_note(READS)
