"""The smallest example of each hazard that is in settings, or in a file that is no Python; and the
same without it."""

from __future__ import annotations

ALIAS = "DATABASES = {{'default': {{'ENGINE': 'django.db.backends.postgresql', {}}}}}"
SAFE = "'DISABLE_SERVER_SIDE_CURSORS': True, 'CONN_MAX_AGE': None, "
NAMED = SAFE + "'OPTIONS': {'application_name': 'web'}"
OPTIONS = SAFE + "'OPTIONS': {'application_name': 'web', %s}"
SETTINGS: dict[str, list[tuple[str, str]]] = {
    "H001": [(NAMED.replace("True", "False"), NAMED)],
    "H002": [(NAMED.replace("True", "False"), NAMED)],
    "H003": [(NAMED.replace("True", "False"), NAMED)],
    "H012": [(OPTIONS % "'assume_role': 'reporting'", NAMED)],
    "H016": [(OPTIONS % "'isolation_level': 3", NAMED)],
    "H018": [(SAFE, NAMED)],
    "H023": [(OPTIONS % "'prepare_threshold': 5", OPTIONS % "'prepare_threshold': None")],
    "H028": [(OPTIONS % "'options': '-c statement_timeout=1'", NAMED)],
    "H040": [(NAMED + ", 'ATOMIC_REQUESTS': True", NAMED)],
    "H042": [
        (NAMED.replace("None", "0"), NAMED),
        (NAMED + ", 'CONN_HEALTH_CHECKS': True", NAMED + ", 'CONN_HEALTH_CHECKS': False"),
    ],
    "H044": [(OPTIONS % "'pool': True", OPTIONS % "'pool': False")],
}
"""what stands in an alias of DATABASES"""

FILES: dict[str, list[tuple[str, str, str]]] = {
    "H007": [
        (
            "clone.sql",
            (
                "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET search_path = a; "
                "END $$;"
            ),
            "SELECT 1;",
        )
    ],
    "H011": [
        (
            "policy.sql",
            "CREATE POLICY p ON t USING (tenant = current_setting('app.tenant', true)::int);",
            (
                "CREATE POLICY p ON t USING (tenant = NULLIF(current_setting('app.tenant', true), "
                "'')::int);"
            ),
        ),
        (
            "policy.sql",
            "CREATE POLICY p ON t USING (current_setting('app.tenant', true) IS NULL);",
            "CREATE POLICY p ON t USING (tenant = current_setting('app.tenant', true));",
        ),
    ],
    "H019": [
        (
            "queries.sql",
            "-- one --\nSELECT {broken\n;\n-- two --\nLISTEN {channel};",
            "-- two --\nNOTIFY {channel};",
        )
    ],
    "H029": [
        (
            "pgbouncer.ini",
            (
                "[pgbouncer]\npool_mode = transaction\nignore_startup_parameters = "
                "extra_float_digits,options\n"
            ),
            (
                "[pgbouncer]\npool_mode = session\nignore_startup_parameters = "
                "extra_float_digits,options\n"
            ),
        )
    ],
    "H030": [
        (
            "pgbouncer.ini",
            (
                "[databases]\napp = dbname=app connect_query='SET x'\n[pgbouncer]\npool_mode = "
                "transaction\n"
            ),
            "[databases]\napp = dbname=app\n[pgbouncer]\npool_mode = transaction\n",
        )
    ],
    "H031": [
        (
            "pgbouncer.ini",
            (
                "[pgbouncer]\npool_mode = transaction\ntrack_extra_parameters = IntervalStyle, "
                "search_path\n"
            ),
            "[pgbouncer]\npool_mode = transaction\ntrack_extra_parameters = IntervalStyle\n",
        )
    ],
    "H032": [("backup.sh", "pg_dump --port 6432 app\n", "pg_dump --port 5432 app\n")],
    "H033": [
        (
            "load.sh",
            "export PGPORT=6432\npsql -f dump.sql\n",
            "export PGPORT=5432\npsql -f dump.sql\n",
        ),
        (
            "dump.sql",
            "--\n-- PostgreSQL database dump\n--\nSET row_security = off;\n",
            "SELECT 1;\n",
        ),
    ],
    "H034": [
        (
            "fdw.sql",
            "CREATE SERVER a FOREIGN DATA WRAPPER postgres_fdw OPTIONS (port '6432');",
            "CREATE SERVER a FOREIGN DATA WRAPPER postgres_fdw OPTIONS (port '5432');",
        )
    ],
    "H037": [("index.sql", "CREATE INDEX CONCURRENTLY i ON t (a);", "CREATE INDEX i ON t (a);")],
    "H038": [
        (
            "pgbouncer.ini",
            "[pgbouncer]\npool_mode = transaction\nquery_timeout = 30\n",
            "[pgbouncer]\npool_mode = transaction\nquery_timeout = 0\n",
        )
    ],
    "H048": [
        (
            "pgbouncer.ini",
            "[pgbouncer]\npool_mode = transaction\nserver_reset_query = DISCARD ALL\n",
            "[pgbouncer]\npool_mode = transaction\n",
        )
    ],
}
"""name of a file, its text with the hazard and without"""
