"""PgBouncer's own settings."""

from __future__ import annotations

from pgstack.hazards.model import Hazard, by

HAZARDS = (
    Hazard(
        id="H029",
        title="`ignore_startup_parameters = options`",
        breaks="The connection is made and the options are dropped: a `statement_timeout` that "
        "nobody applies.",
        fix="`ALTER ROLE … SET` what the options set. `extra_float_digits` alone is harmless here.",
        before="ignore_startup_parameters = extra_float_digits,options",
        after="ALTER ROLE app SET statement_timeout = '5s'",
        severity="warning",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H030",
        title="`connect_query`",
        breaks="Its errors are ignored: some backends have the settings and others do not.",
        fix="`ALTER ROLE … SET`.",
        before="app = dbname=app connect_query='SET search_path TO app'",
        after="ALTER ROLE app SET search_path = app",
        severity="warning",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H031",
        title="`track_extra_parameters` with search_path",
        breaks="PgBouncer can only follow what the server reports, which search_path is not before "
        "PostgreSQL 18; in "
        "some set-ups it opened CVE-2025-12819.",
        fix="Leave the default.",
        before="track_extra_parameters = IntervalStyle, search_path",
        after="track_extra_parameters = IntervalStyle",
        severity="warning",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H038",
        title="The pooler's timeouts do not stop the query",
        breaks="`query_timeout`, and a client that dies, end the connection to the client. The "
        "backend works on, and "
        "no pool counts it: more active backends than the pool has.",
        fix="A `statement_timeout` by role below `query_timeout`, and "
        "`client_connection_check_interval`.",
        before="query_timeout = 30",
        after="ALTER ROLE app SET statement_timeout = '25s'",
        severity="warning",
        detected_by=by("audit", "verify"),
    ),
    Hazard(
        id="H039",
        title="Idle in transaction",
        breaks="A client that begins and then waits holds a backend. The others wait up to "
        "`query_wait_timeout`, two "
        "minutes by default, and then fail.",
        fix="`idle_in_transaction_session_timeout` by role, and a `query_wait_timeout` of 5 to 15 "
        "seconds.",
        before="BEGIN; SELECT … -- and wait for a person",
        after="ALTER ROLE app SET idle_in_transaction_session_timeout = '10s'",
        severity="warning",
        detected_by=by("verify"),
    ),
    Hazard(
        id="H041",
        title="The reason for a refused query",
        breaks="psycopg 3 says `query_wait_timeout`; psycopg2 says only `server closed the "
        "connection unexpectedly`, "
        "as it does for a crash.",
        fix="Look into PgBouncer's log for the reason.",
        before="except OperationalError: raise  # what was it?",
        after="journalctl -u pgbouncer",
        severity="notice",
    ),
    Hazard(
        id="H048",
        title="`server_reset_query` in transaction mode",
        breaks="It is not run: leaks stay. `server_reset_query_always` runs it after each "
        "transaction, which hides "
        "leaks and makes every loss certain.",
        fix="Know it; use `server_reset_query_always` to find hazards, not to live with them.",
        before="pool_mode = transaction\nserver_reset_query = DISCARD ALL",
        after="pool_mode = transaction",
        severity="notice",
        detected_by=by("audit"),
    ),
    Hazard(
        id="H049",
        title="`server_lifetime` heals leaks",
        breaks="Backends are replaced after an hour, so what leaked goes away by itself and the "
        "trouble looks random.",
        fix="Look for residue on a timer instead of waiting for the trouble.",
        before="server_lifetime = 3600",
        after="RECONNECT",
        severity="notice",
    ),
)
