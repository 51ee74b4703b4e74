"""Notifications and locks that belong to a session."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H019",
        title="`LISTEN`",
        breaks="Nothing arrives: the channel is registered on a backend that now serves someone "
        "else, and stays there.",
        fix="LISTEN on the direct alias. `NOTIFY` through the pool is fine.",
        before="connection.cursor().execute('LISTEN jobs')",
        after="connections['direct'].cursor().execute('LISTEN jobs')",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H020",
        title="Advisory locks of the session",
        breaks="The unlock goes to another backend and returns false. The lock outlives its owner, "
        "and whoever gets "
        "that backend acquires it as well: two workers in one critical section, or a deadlock "
        "until a restart.",
        fix="`pg_advisory_xact_lock` inside a transaction, or the direct alias.",
        before="cursor.execute('SELECT pg_advisory_lock(42)')",
        after="with transaction.atomic():\n    cursor.execute('SELECT pg_advisory_xact_lock(42)')",
        severity="error",
        detected_by=by("audit", "guard"),
    ),
)
