"""PostgreSQL as the monitoring role sees it, straight over its socket, or over TLS where it is on
another host."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import psycopg2

from pgstack.planning.plan import Plan

FULL = "connection slots"
"""PostgreSQL's words when every connection is taken; those that were just closed end a moment
later"""

FULL_SECONDS = 2
"""how long a full server is tried again"""

CONNECT_TIMEOUT_SECONDS = 3


def connect(plan: Plan, role: str, **more: str) -> Any:
    """A connection in autocommit; `more` are parameters of libpq that win over the plan's.

    Raises psycopg2.OperationalError.
    """
    usual = {"host": plan.postgres.host, "application_name": "probe"}
    bounded = {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    parameters: dict[str, Any] = {**usual, **plan.postgres.connection, **bounded, **more}
    deadline = time.monotonic() + FULL_SECONDS
    while True:
        try:
            connection = psycopg2.connect(
                port=plan.postgres.port,
                user=role,
                dbname=plan.postgres.database,
                **parameters,
            )
        except psycopg2.OperationalError as error:
            if FULL not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            connection.autocommit = True
            return connection


def query(connection: Any, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """All rows of one statement. Raises psycopg2.Error."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def settings(connection: Any, names: list[str]) -> dict[str, str]:
    """Live values by name, in the unit pg_settings shows with current_setting()."""
    statement = (
        "SELECT lower(name), current_setting(name) FROM pg_settings WHERE lower(name) = ANY(%s)"
    )
    return dict(query(connection, statement, (names,)))


def different(planned: dict[str, str], live: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Settings whose live value is another one than planned: name → (planned, live).

    PostgreSQL writes 1024MB as 1GB, so sizes and times are compared as it would convert them.
    """
    return {
        name: (value, live.get(name, "missing"))
        for name, value in planned.items()
        if _canonical(value) != _canonical(live.get(name, "missing"))
    }


SORTS = """
    SELECT CASE datlocprovider WHEN 'i' THEN
                    'icu:' || coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')
                ELSE datcollate END FROM pg_database AS d WHERE datname = current_database()"""
"""how the database sorts, as STACK_LOCALE says it; the column's name depends on the version"""


def locale(plan: Plan) -> str:
    """How the database sorts; empty where nobody answers, as before it is made."""
    try:
        with closing(connect(plan, plan.roles.monitor)) as connection:
            return str(query(connection, SORTS)[0][0])
    except psycopg2.OperationalError:
        return ""


CORRUPTED = (
    "Restore from a backup (docs/backups.md); after a repair, `SELECT pg_stat_reset()` clears the "
    "count"
)


def corrupted(connection: Any) -> str:
    """Databases in which PostgreSQL has read pages with a wrong checksum, with their number; empty
    when none."""
    rows = query(
        connection,
        "SELECT coalesce(datname, 'shared objects'), checksum_failures FROM pg_stat_database "
        "WHERE checksum_failures > 0",
    )
    return "; ".join(f"{count} corrupted page reads in {name}" for name, count in rows)


_FACTORS = {
    "kB": 1,
    "MB": 1024,
    "GB": 1024**2,
    "TB": 1024**3,
    "ms": 1,
    "s": 1000,
    "min": 60_000,
    "h": 3_600_000,
}


def _canonical(value: str) -> str | float:
    number = value.rstrip("kMGTBmsinh")
    unit = value[len(number) :]
    try:
        return float(number) * _FACTORS.get(unit, 1)
    except ValueError:
        return value
