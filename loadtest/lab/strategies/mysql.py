"""The same on MariaDB, for those whose question was about MySQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadtest.lab import services
from loadtest.lab.server import Strategy
from pgstack.planning.plan import Plan

DRIVER = Path("/usr/lib/python3/dist-packages/MySQLdb")
"""Debian's mysqlclient; it is built for the same Python as mod_wsgi"""


def reconnect(plan: Plan) -> dict[str, Any]:
    """MariaDB's socket, the account's own login."""
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": plan.postgres.database,
        "USER": plan.accounts.web,
        "HOST": str(Path(plan.paths.root, "lab/mariadb/mariadb.sock")),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"charset": "utf8mb4"},
    }


def sqlalchemy(plan: Plan) -> dict[str, Any]:
    """SQLAlchemy's QueuePool below Django's backend, by django-db-connection-pool."""
    options = {"POOL_SIZE": plan.web.threads, "MAX_OVERFLOW": 0, "RECYCLE": -1, "PRE_PING": False}
    return reconnect(plan) | {"ENGINE": "dj_db_conn_pool.backends.mysql", "POOL_OPTIONS": options}


def missing(plan: Plan) -> str | None:
    """MariaDB and its driver are packages of their own."""
    absent = [
        package
        for path, package in (
            (Path("/usr/sbin/mariadbd"), "mariadb-server"),
            (DRIVER, "python3-mysqldb"),
        )
        if not path.exists()
    ]
    return f"not installed; as root: apt-get install {' '.join(absent)}" if absent else None


STRATEGIES = (
    Strategy(
        "reconnect-mysql",
        "MariaDB, a new connection per request over its socket",
        reconnect,
        (services.mariadb,),
        "reconnects",
        driver="mysql",
        missing=missing,
    ),
    Strategy(
        "sqlalchemy-pool-mysql",
        "MariaDB, SQLAlchemy's pool under Django (django-db-connection-pool)",
        sqlalchemy,
        (services.mariadb,),
        "keeps",
        driver="mysql",
        missing=missing,
    ),
)
