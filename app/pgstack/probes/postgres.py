"""PostgreSQL as the monitoring role sees it, straight over its socket."""

from __future__ import annotations

from typing import Any

import psycopg2

from pgstack.errors import ProbeError
from pgstack.plan import Plan

CONNECT_TIMEOUT_SECONDS = 3


def query(
    plan: Plan, statement: str, parameters: Any = None, role: str | None = None
) -> list[tuple[Any, ...]]:
    """Rows of one statement as `role` (the monitor unless named). Raises ProbeError."""
    connection = None
    try:
        connection = psycopg2.connect(
            host=plan.paths.run_postgres, port=plan.postgres.port, user=role or plan.roles.monitor,
            dbname=plan.postgres.database, connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name="probe",
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
    except psycopg2.Error as error:
        raise ProbeError(f"PostgreSQL: {str(error).strip()}") from error
    finally:
        if connection is not None:
            connection.rollback()
            connection.close()


def settings(plan: Plan, names: list[str]) -> dict[str, str]:
    """Live values by name, in the unit pg_settings shows with current_setting()."""
    statement = "SELECT lower(name), current_setting(name) FROM pg_settings WHERE lower(name) = ANY(%s)"
    return dict(query(plan, statement, (names,)))


def different(planned: dict[str, str], live: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Settings whose live value is another one than planned: name → (planned, live).

    PostgreSQL writes 1024MB as 1GB, so sizes and times are compared as it would convert them.
    """
    return {
        name: (value, live.get(name, "missing"))
        for name, value in planned.items()
        if _canonical(value) != _canonical(live.get(name, "missing"))
    }


_FACTORS = {"kB": 1, "MB": 1024, "GB": 1024**2, "TB": 1024**3, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}


def _canonical(value: str) -> str | float:
    number = value.rstrip("kMGTBmsinh")
    unit = value[len(number) :]
    try:
        return float(number) * _FACTORS.get(unit, 1)
    except ValueError:
        return value
