"""Ways to use Django that need a connection of their own."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H036",
        title="`migrate` on the pooled alias",
        breaks="Migrations hold locks, set timeouts and use iterators; a pooler's timeout cuts the "
        "client while the "
        "backend works on.",
        fix="An alias that goes straight to PostgreSQL: `migrate --database direct`, which "
        "pgstack's `migrate` does.",
        before="manage.py migrate",
        after="manage.py migrate --database direct",
        severity="warning",
        detected_by=by("audit", "check"),
        check="stack.W036",
    ),
    Hazard(
        id="H037",
        title="`CREATE INDEX CONCURRENTLY`",
        breaks="It takes long. A pooler's `query_timeout` cuts the client only; what is left may "
        "be an invalid index.",
        fix="Run it on the direct alias and look at `pg_index.indisvalid` afterwards.",
        before="migrations.RunSQL('CREATE INDEX CONCURRENTLY …')  # migrate on the pooled alias",
        after="manage.py migrate --database direct",
        severity="notice",
        detected_by=by("audit", "guard"),
    ),
    Hazard(
        id="H043",
        title="Connections outside requests",
        breaks="Threads and long-running commands keep a connection that Django closes only "
        "between requests: stale "
        "after a restart, one more client for each thread.",
        fix="`close_old_connections()` around each piece of work.",
        before="Thread(target=work).start()",
        after="def work():\n    try:\n        …\n    finally:\n        connection.close()",
        severity="notice",
        detected_by=by("audit"),
    ),
)
