"""Pools inside the web processes, straight to PostgreSQL's socket."""

from __future__ import annotations

from typing import Any

from loadtest.lab import services
from loadtest.lab.server import Strategy
from loadtest.lab.strategies.direct import socket
from pgstack.planning.plan import Plan


def threaded(plan: Plan) -> dict[str, Any]:
    """A database backend of our own on psycopg2's ThreadedConnectionPool."""
    return socket(
        plan,
        ENGINE="loadtest.lab.backends.threaded",
        OPTIONS={"application_name": "web", "pool_size": plan.web.threads},
    )


def sqlalchemy(plan: Plan) -> dict[str, Any]:
    """SQLAlchemy's QueuePool below Django's backend, by django-db-connection-pool."""
    return socket(
        plan,
        ENGINE="dj_db_conn_pool.backends.postgresql",
        POOL_OPTIONS={
            "POOL_SIZE": plan.web.threads,
            "MAX_OVERFLOW": 0,
            "RECYCLE": -1,
            "PRE_PING": False,
        },
    )


def psycopg(plan: Plan) -> dict[str, Any]:
    """Django's own pool for psycopg 3."""
    pool = {"min_size": plan.web.threads, "max_size": plan.web.threads}
    return socket(plan, OPTIONS={"application_name": "web", "pool": pool})


STRATEGIES = (
    Strategy(
        "custom-backend",
        "a database backend of our own on psycopg2's ThreadedConnectionPool",
        threaded,
        (services.postgres,),
        "keeps",
    ),
    Strategy(
        "sqlalchemy-pool",
        "SQLAlchemy's pool under Django (django-db-connection-pool)",
        sqlalchemy,
        (services.postgres,),
        "keeps",
    ),
    Strategy(
        "psycopg-pool",
        "Django's built-in pool with psycopg 3",
        psycopg,
        (services.postgres,),
        "keeps",
        driver="psycopg",
    ),
)
