"""Poolers between Django and PostgreSQL: Pgpool-II, and PgBouncer in each of its modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.lab import services
from loadtest.lab.server import Strategy
from loadtest.lab.strategies.direct import socket
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.settings import databases

PREPARED_SINCE = (1, 21)
"""PgBouncer that carries prepared statements from one backend to another:
max_prepared_statements"""


def through_pgbouncer(**options: Any) -> Callable[[Plan], dict[str, Any]]:
    """The alias `default` of the stack itself, with `options` instead of its own."""
    return lambda plan: databases()["default"] | options


def through_pgpool(plan: Plan) -> dict[str, Any]:
    """Pgpool-II's socket; kept connections, as a child of Pgpool-II serves one client."""
    sockets = str(Path(plan.paths.root, "lab/pgpool"))
    return socket(plan, HOST=sockets, PORT=str(services.PORT_PGPOOL), CONN_MAX_AGE=None)


def pgpool_missing(plan: Plan) -> str | None:
    """Pgpool-II is a package of its own."""
    return (
        None
        if Path("/usr/sbin/pgpool").exists()
        else "not installed; as root: apt-get install pgpool2"
    )


def prepared_missing(plan: Plan) -> str | None:
    """Prepared statements need a PgBouncer that knows them."""
    if layout.version(plan.versions.pgbouncer) >= PREPARED_SINCE:
        return None
    return (
        f"PgBouncer {plan.versions.pgbouncer} has no max_prepared_statements (1.21); Debian 13 has "
        f"it"
    )


PREPARED = {"application_name": "web", "prepare_threshold": 5, "server_side_binding": True}
STATEMENT = (services.postgres, services.pgbouncer("statement"))
TRANSACTION = (services.postgres, services.pgbouncer("transaction"))
SESSION = (services.postgres, services.pgbouncer("session"))

STRATEGIES = (
    Strategy(
        "pgpool",
        "Pgpool-II as a connection cache, kept client connections",
        through_pgpool,
        (services.postgres, services.pgpool),
        "keeps",
        missing=pgpool_missing,
    ),
    Strategy(
        "pgbouncer-session-reconnect",
        "PgBouncer, session mode, a new client connection per request",
        through_pgbouncer(CONN_MAX_AGE=0),
        SESSION,
        "keeps",
    ),
    Strategy(
        "pgbouncer-session",
        "PgBouncer, session mode, kept client connections: a backend for each",
        through_pgbouncer(),
        SESSION,
        "keeps",
    ),
    Strategy(
        "pgbouncer-transaction-reconnect",
        "PgBouncer, transaction mode, a new client connection per request",
        through_pgbouncer(CONN_MAX_AGE=0),
        TRANSACTION,
        "keeps",
    ),
    Strategy(
        "pgbouncer-transaction",
        "PgBouncer, transaction mode, kept client connections: this stack",
        through_pgbouncer(),
        TRANSACTION,
        "keeps",
    ),
    Strategy(
        "pgbouncer-statement",
        "PgBouncer, statement mode, kept client connections; pages without transactions only",
        through_pgbouncer(),
        STATEMENT,
        "keeps",
    ),
    Strategy(
        "pgbouncer-prepared",
        "PgBouncer, transaction mode, psycopg 3 with prepared statements",
        through_pgbouncer(OPTIONS=PREPARED),
        TRANSACTION,
        "keeps",
        prepared=True,
        driver="psycopg",
        missing=prepared_missing,
    ),
)
