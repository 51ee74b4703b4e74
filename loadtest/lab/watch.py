"""What the servers of a trial say of themselves: connections made and open, transactions of the
pooler."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Protocol

import psycopg2
from psycopg2.extras import RealDictCursor

from loadtest.lab.services import LOGIN
from pgstack.planning.plan import Plan


class Database(Protocol):
    """The database server, asked past every pooler."""

    def sessions(self) -> int:
        """Connections of the application that it has accepted so far."""

    def backends(self) -> int:
        """Server processes or threads that serve the application now."""

    def close(self) -> None:
        """End the watching connection."""


class Postgres:
    """PostgreSQL, through one connection of the monitor."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._connection = psycopg2.connect(
            host=plan.paths.run_postgres,
            port=plan.postgres.port,
            user=plan.roles.monitor,
            dbname=plan.postgres.database,
            application_name="loadtest",
        )
        self._connection.autocommit = True

    def sessions(self) -> int:
        """All of the database's; nobody else connects to it meanwhile."""
        return self._number(
            "SELECT sessions FROM pg_stat_database WHERE datname = %s", self._plan.postgres.database
        )

    def backends(self) -> int:
        """Backends that work for the web's roles at this moment."""
        statement = "SELECT count(*) FROM pg_stat_activity WHERE usename IN (%s, %s)"
        return self._number(statement, self._plan.roles.app, LOGIN)

    def next_transaction(self) -> int:
        """The id that the next transaction gets which writes or locks a row; to ask takes none."""
        return self._number("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")

    def _number(self, statement: str, *values: str) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            return int(row[0]) if row else 0

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class MariaDB:
    """MariaDB, through its command line client: one connection for each look, which is taken
    off."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._looks = 0

    def sessions(self) -> int:
        """Connections that were ever made, without our own."""
        return self._status("Connections") - self._looks

    def backends(self) -> int:
        """Threads that serve connections at this moment, without our own."""
        return self._status("Threads_connected") - 1

    def _status(self, name: str) -> int:
        self._looks += 1
        statement = f"SHOW GLOBAL STATUS LIKE '{name}'"
        command = [
            "/usr/bin/mariadb",
            "--no-defaults",
            f"--socket={self._socket}",
            "-BNe",
            statement,
        ]
        return int(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]
        )

    def close(self) -> None:
        """Do nothing: no connection is kept."""


class Console:
    """PgBouncer's console, through one connection of the probes' login."""

    def __init__(self, plan: Plan) -> None:
        self._database = plan.postgres.database
        self._connection = psycopg2.connect(
            host=plan.paths.run_pooler,
            port=plan.pooler.port,
            user=plan.pooler.monitor_login,
            dbname="pgbouncer",
            application_name="loadtest",
        )
        self._connection.autocommit = True

    def transactions(self) -> int:
        """Transactions of the application's database so far."""
        return sum(int(row["xact_count"]) for row in self._totals())

    def parses(self) -> int | None:
        """Statements that backends were made to parse so far; None before PgBouncer 1.24, which
        counts them."""
        counts = [row.get("server_parse_count") for row in self._totals()]
        return None if None in counts else sum(int(count or 0) for count in counts)

    def _totals(self) -> list[dict[str, Any]]:
        with self._connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute("SHOW STATS_TOTALS")
            return [dict(row) for row in cursor.fetchall() if row["database"] == self._database]

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
