"""Settings of PostgreSQL by name: which hazard it is to set one for the session."""

from __future__ import annotations

REPORTED = frozenset(
    {
        "application_name",
        "client_encoding",
        "datestyle",
        "intervalstyle",
        "standard_conforming_strings",
        "timezone",
    }
)
"""PgBouncer replays these on the backend that a client gets (1.18: all but intervalstyle)"""
SPECIAL = {
    "time zone": "timezone",
    "schema": "search_path",
    "names": "client_encoding",
    "session authorization": "session_authorization",
}
"""names that SET writes with a syntax of their own"""
_BY_NAME = {
    "search_path": "H007",
    "role": "H012",
    "session_authorization": "H013",
    "timezone": "H017",
    "seed": "H026",
    "default_transaction_isolation": "H014",
    "default_transaction_read_only": "H014",
    "default_transaction_deferrable": "H014",
    "transaction_isolation": "H010",
    "transaction_read_only": "H010",
    "transaction_deferrable": "H010",
}


def hazard_of(name: str) -> str | None:
    """The hazard of `SET name` in a session; None for what PgBouncer keeps for each client."""
    name = name.lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in REPORTED:
        return None
    return "H009" if "." in name else "H008"
