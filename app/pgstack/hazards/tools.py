"""Programs that belong on a connection of their own."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H032",
        title="`pg_dump` through the pool",
        breaks="It ends well and leaves a backend with an empty `search_path` and `row_security = "
        "off`: the site "
        "breaks afterwards.",
        fix="Dump straight from PostgreSQL; `RECONNECT` when it has happened.",
        before="pg_dump --port 6432 app",
        after="pg_dump --port 5432 app",
        severity="warning",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H033",
        title="`psql -f dump.sql` through the pool",
        breaks="A dump begins with `set_config('search_path', '', false)` and more: the backend "
        "is left as by H032.",
        fix="Load it straight into PostgreSQL; `RECONNECT` when it has happened.",
        before="psql --port 6432 --file dump.sql app",
        after="psql --port 5432 --file dump.sql app",
        severity="warning",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H034",
        title="postgres_fdw to a pooled server",
        breaks="The wrapper sets `search_path` and more on the remote session, which is a pooled "
        "backend there.",
        fix="Name the port of PostgreSQL, not the pooler's.",
        before="CREATE SERVER archive FOREIGN DATA WRAPPER postgres_fdw OPTIONS (port '6432')",
        after="CREATE SERVER archive FOREIGN DATA WRAPPER postgres_fdw OPTIONS (port '5432')",
        severity="warning",
        detected_by=by("audit"),
    ),
)
