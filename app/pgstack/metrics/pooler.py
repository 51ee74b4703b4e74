"""PgBouncer, by its console. Columns are read by name: 1.18 and 1.24 have others, in another
order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from pgstack.live.probes import console
from pgstack.live.probes.together import together
from pgstack.metrics.model import Sample, counter, gauge
from pgstack.planning import layout
from pgstack.planning.plan import Plan

ASKED = ("POOLS", "STATS", "DATABASES", "CONFIG")
CLIENTS = gauge(
    "pgbouncer_client_connections",
    "Client connections of a pool, by state.",
    "database",
    "user",
    "state",
)
SERVERS = gauge(
    "pgbouncer_server_connections", "Backends of a pool, by state.", "database", "user", "state"
)
LONGEST = gauge(
    "pgbouncer_longest_wait_seconds",
    "How long the first client in the queue for a backend has waited.",
    "database",
    "user",
)
TRANSACTIONS = counter("pgbouncer_transactions", "Transactions pooled.", "database")
QUERIES = counter("pgbouncer_queries", "Statements pooled.", "database")
RECEIVED = counter("pgbouncer_received_bytes", "Bytes received from clients.", "database")
SENT = counter("pgbouncer_sent_bytes", "Bytes sent to clients.", "database")
IN_TRANSACTION = counter(
    "pgbouncer_transaction_seconds",
    "Time that backends were lent to clients. Its rate is the mean number in use.",
    "database",
)
IN_QUERY = counter("pgbouncer_query_seconds", "Time that backends spent on statements.", "database")
WAITED = counter(
    "pgbouncer_wait_seconds",
    "Time that clients waited for a backend. Its rate is the mean number waiting.",
    "database",
)
CONNECTIONS = gauge("pgbouncer_database_connections", "Backends of a database.", "database")
MOST = gauge(
    "pgbouncer_database_max_connections", "Most backends that a database may have.", "database"
)
PAUSED = gauge("pgbouncer_database_paused", "1 while requests are held back (PAUSE).", "database")
DISABLED = gauge(
    "pgbouncer_database_disabled", "1 while new clients are refused (DISABLE).", "database"
)
SETTING = gauge("pgbouncer_setting", "A setting in force in PgBouncer.", "name")

POOL_CLIENTS = {"cl_active": "active", "cl_waiting": "waiting"}
POOL_SERVERS = {
    "sv_active": "active",
    "sv_idle": "idle",
    "sv_used": "used",
    "sv_tested": "tested",
    "sv_login": "login",
}
STATS = {
    "total_xact_count": (TRANSACTIONS, 1),
    "total_query_count": (QUERIES, 1),
    "total_received": (RECEIVED, 1),
    "total_sent": (SENT, 1),
    "total_xact_time": (IN_TRANSACTION, 1e6),
    "total_query_time": (IN_QUERY, 1e6),
    "total_wait_time": (WAITED, 1e6),
}
"""metric, and parts of its unit, by column"""
DATABASES = {
    "current_connections": CONNECTIONS,
    "max_connections": MOST,
    "paused": PAUSED,
    "disabled": DISABLED,
}
SETTINGS = (
    "max_client_conn",
    "default_pool_size",
    "reserve_pool_size",
    "max_db_connections",
    "query_timeout",
    "query_wait_timeout",
)
Row = Mapping[str, Any]


def read(plan: Plan) -> dict[str, console.Rows]:
    """What the consoles of all PgBouncers show together. A new connection each time: one that is
    kept would keep an instance of PgBouncer that another has taken over from. Raises
    psycopg2.Error."""
    answers = [_read(plan, process.port) for process in plan.pooler.processes]
    return {what: together(what, [answer[what] for answer in answers]) for what in ASKED}


def _read(plan: Plan, port: int) -> dict[str, console.Rows]:
    login = layout.own_login(plan, plan.pooler.monitor_login)
    with closing(console.connect(plan.paths.run_pooler, port, login)) as asked:
        return {what: console.rows(asked, f"SHOW {what}") for what in ASKED}


def collect(answers: Mapping[str, console.Rows]) -> Iterator[Sample]:
    """Samples of what the console shows."""
    for row in filter(_is_a_pool, answers["POOLS"]):
        yield from _pool(row)
    for row in filter(_is_a_pool, answers["STATS"]):
        for column, (metric, parts) in STATS.items():
            yield from _value(metric.of, row.get(column), row["database"], parts)
    for row in answers["DATABASES"]:
        if row["name"] != console.CONSOLE:
            for column, metric in DATABASES.items():
                yield from metric.of(row.get(column), row["name"])
    for row in answers["CONFIG"]:
        if row["key"] in SETTINGS:
            yield from SETTING.of(row["value"], row["key"])


def _is_a_pool(row: Row) -> bool:
    return bool(row["database"] != console.CONSOLE)


def _value(of: Any, value: Any, database: str, parts: float) -> Iterator[Sample]:
    if value is not None:
        yield from of(float(value) / parts, database)


def _pool(row: Row) -> Iterator[Sample]:
    database, user = row["database"], row["user"]
    for column, state in POOL_CLIENTS.items():
        yield from CLIENTS.of(row.get(column), database, user, state)
    for column, state in POOL_SERVERS.items():
        yield from SERVERS.of(row.get(column), database, user, state)
    yield from LONGEST.of(float(row["maxwait"]) + float(row["maxwait_us"]) / 1e6, database, user)
