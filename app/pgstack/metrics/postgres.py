"""PostgreSQL, as the monitoring role sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from types import MappingProxyType
from typing import Any

import psycopg2

from pgstack.live.probes import console, postgres
from pgstack.metrics import queries
from pgstack.metrics.model import Metric, Sample, counter, gauge
from pgstack.planning.plan import Plan

LIMITS = "-c statement_timeout=1000 -c lock_timeout=100 -c default_transaction_read_only=on"
"""milliseconds; of each question"""
UNANSWERED = (
    psycopg2.errors.InsufficientPrivilege,
    psycopg2.errors.UndefinedTable,
    psycopg2.errors.InvalidSchemaName,
)
"""from a server, or for a role, that is not ours"""

BACKENDS = gauge("postgresql_backends", "Sessions by role and state.", "role", "state")
WAITING = gauge(
    "postgresql_waiting_backends", "Sessions whose statement is waiting, by what for.", "type"
)
IDLE = gauge(
    "postgresql_idle_in_transaction_seconds",
    "Longest time that a session has been idle in a transaction.",
)
OLDEST = gauge("postgresql_oldest_transaction_seconds", "Age of the oldest transaction.")
OLDEST_PROCESS = gauge(
    "postgresql_oldest_transaction_process",
    "Process of the oldest transaction; 0 if there is none.",
)
WAITERS = gauge("postgresql_lock_waiters", "Sessions waiting for a lock.")
LONGEST = gauge(
    "postgresql_lock_wait_seconds", "Age of the oldest statement that is waiting for a lock."
)
BLOCKER = gauge(
    "postgresql_blocker_process",
    "Process that blocks most sessions and is not blocked itself; 0 if there is none.",
)
BLOCKED = gauge("postgresql_blocker_waiters", "Sessions blocked by the process that blocks most.")
BLOCKS = gauge(
    "postgresql_blocker_transaction_seconds",
    "Age of the transaction of the process that blocks most sessions.",
)
TABLE_LIVE = gauge(
    "postgresql_table_live_rows",
    "Live rows of a table, for the ten tables with most dead rows.",
    "schema",
    "table",
)
TABLE_DEAD = gauge(
    "postgresql_table_dead_rows",
    "Dead rows of a table, for the ten tables with most.",
    "schema",
    "table",
)
TABLE_SIZE = gauge(
    "postgresql_table_size_bytes",
    "Size of a table without its indexes, as of its last vacuum or analyze.",
    "schema",
    "table",
)
LAG_BYTES = gauge(
    "postgresql_replication_lag_bytes", "WAL that a standby has not replayed yet.", "name", "state"
)
LAG_SECONDS = gauge(
    "postgresql_replication_lag_seconds",
    "How far a standby lags behind, as a time.",
    "name",
    "state",
)
SLOT_ACTIVE = gauge("postgresql_slot_active", "1 while a replication slot is in use.", "name")
SLOT_BYTES = gauge("postgresql_slot_kept_bytes", "WAL retained for a replication slot.", "name")

COLUMNS: dict[str, dict[str, Metric]] = {
    "server": {
        "max_connections": gauge("postgresql_max_connections", "max_connections in force."),
        "started": gauge("postgresql_start_timestamp_seconds", "When PostgreSQL started."),
        "standby": gauge("postgresql_standby", "1 on a standby."),
        "behind": gauge(
            "postgresql_standby_seconds", "Age of the last transaction that a standby has replayed."
        ),
        "xid_age": gauge(
            "postgresql_xid_age", "Age of the oldest unfrozen transaction ID, in transactions."
        ),
        "checksum_failures": counter(
            "postgresql_checksum_failures", "Pages whose checksum was wrong when they were read."
        ),
    },
    "files": {"wal": gauge("postgresql_wal_size_bytes", "Size of pg_wal.")},
    "database": {
        "numbackends": gauge("postgresql_database_connections", "Sessions of the database."),
        "xact_commit": counter("postgresql_commits", "Transactions committed."),
        "xact_rollback": counter("postgresql_rollbacks", "Transactions rolled back."),
        "blks_read": counter("postgresql_blocks_read", "Blocks read from the operating system."),
        "blks_hit": counter("postgresql_blocks_hit", "Blocks found in shared_buffers."),
        "temp_files": counter(
            "postgresql_temporary_files", "Temporary files, which sorts and hashes spill to."
        ),
        "temp_bytes": counter("postgresql_temporary_bytes", "Bytes written to temporary files."),
        "deadlocks": counter("postgresql_deadlocks", "Deadlocks detected."),
        "conflicts": counter(
            "postgresql_conflicts", "Statements cancelled by recovery on a standby."
        ),
        "read_seconds": counter("postgresql_read_seconds", "Time spent reading blocks."),
        "write_seconds": counter("postgresql_write_seconds", "Time spent writing blocks."),
        "sessions_abandoned": counter(
            "postgresql_abandoned_sessions", "Sessions ended because the client was lost."
        ),
        "sessions_fatal": counter("postgresql_fatal_sessions", "Sessions ended by a fatal error."),
        "sessions_killed": counter(
            "postgresql_killed_sessions", "Sessions terminated by an administrator."
        ),
        "size": gauge("postgresql_database_size_bytes", "Size of the database."),
    },
    "wal": {
        "wal_records": counter("postgresql_wal_records", "WAL records written."),
        "wal_bytes": counter("postgresql_wal_bytes", "Bytes of WAL written."),
        "wal_buffers_full": counter(
            "postgresql_wal_buffers_full",
            "Times that WAL was written because its buffers were full.",
        ),
    },
    "archiver": {
        "wanted": gauge("postgresql_archiving", "1 if WAL is archived."),
        "archived_count": counter("postgresql_archived_segments", "WAL segments archived."),
        "failed_count": counter(
            "postgresql_archive_failures", "Failed attempts to archive a WAL segment."
        ),
        "last_archived": gauge(
            "postgresql_archived_timestamp_seconds", "When a WAL segment was last archived."
        ),
        "last_failed": gauge(
            "postgresql_archive_failed_timestamp_seconds",
            "When archiving a WAL segment last failed.",
        ),
    },
    "checkpoints": {
        "timed": counter(
            "postgresql_checkpoints_timed", "Checkpoints that were due (checkpoint_timeout)."
        ),
        "requested": counter(
            "postgresql_checkpoints_requested",
            "Checkpoints requested, by the amount of WAL or by hand.",
        ),
        "write_seconds": counter(
            "postgresql_checkpoint_write_seconds", "Time that checkpoints spent writing."
        ),
        "sync_seconds": counter(
            "postgresql_checkpoint_sync_seconds", "Time that checkpoints spent synchronising files."
        ),
        "buffers": counter("postgresql_checkpoint_buffers", "Buffers written by checkpoints."),
    },
}
"""metrics of the questions whose answer is a single row, by column"""
LIVE = gauge("postgresql_live_rows", "Live rows of all tables.")
DEAD = gauge("postgresql_dead_rows", "Dead rows of all tables.")


class Reader:
    """Keeps its connection, which the plan counts: it still works when all others are taken."""

    def __init__(self) -> None:
        self._connection: Any = None

    def read(
        self, plan: Plan, more: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, console.Rows]:
        """The answers by question, `more` included. Questions that the role may not ask, or that an
        external server does not know, are left out. Reconnects once if the server has restarted
        since. Raises psycopg2.Error."""
        kept = self._connection is not None
        try:
            return self._ask(plan, more)
        except psycopg2.Error as error:
            self.close()
            if not kept or not isinstance(
                error, psycopg2.OperationalError | psycopg2.InterfaceError
            ):
                raise
        return self._ask(plan, more)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()

    def _ask(self, plan: Plan, more: Mapping[str, str]) -> dict[str, console.Rows]:
        if self._connection is None:
            self._connection = postgres.connect(
                plan, plan.roles.monitor, options=LIMITS, application_name="exporter"
            )
        answers = {}
        for name, text in {**queries.of(self._connection.server_version), **more}.items():
            with suppress(*UNANSWERED):
                answers[name] = console.rows(self._connection, text)
        return answers


def asked_once(plan: Plan, text: str) -> console.Rows | None:
    """The rows of a query, over a connection of its own; None if PostgreSQL does not answer."""
    try:
        with closing(postgres.connect(plan, plan.roles.monitor, options=LIMITS)) as connection:
            return console.rows(connection, text)
    except psycopg2.Error:
        return None


def collect(answers: Mapping[str, console.Rows]) -> Iterator[Sample]:
    """Samples of the answers."""
    yield from _backends(answers.get("backends", []))
    yield from _blockers(answers.get("oldest", []), answers.get("locks", []))
    for question, columns in COLUMNS.items():
        for row in answers.get(question, ()):
            for column, metric in columns.items():
                yield from metric.of(row[column])
    yield from _tables(answers.get("tables", []))
    for row in answers.get("replication", ()):
        yield from LAG_BYTES.of(row["bytes"], row["name"], row["state"])
        yield from LAG_SECONDS.of(row["seconds"] or 0, row["name"], row["state"])
    for row in answers.get("slots", ()):
        yield from SLOT_ACTIVE.of(row["active"], row["name"])
        yield from SLOT_BYTES.of(row["bytes"], row["name"])


def _backends(rows: console.Rows) -> Iterator[Sample]:
    counts: dict[tuple[str, str], int] = {}
    waits = dict.fromkeys(("Lock", "LWLock", "IO"), 0)
    idle = 0.0
    for row in rows:
        key = (row["role"], row["state"])
        counts[key] = counts.get(key, 0) + row["count"]
        if row["wait"]:
            waits[row["wait"]] = waits.get(row["wait"], 0) + row["count"]
        if row["state"].startswith("idle in transaction"):
            idle = max(idle, float(row["longest"] or 0))
    for (role, state), count in counts.items():
        yield from BACKENDS.of(count, role, state)
    for kind, count in waits.items():
        yield from WAITING.of(count, kind)
    yield from IDLE.of(idle)


def _blockers(oldest: console.Rows, locks: console.Rows) -> Iterator[Sample]:
    first = oldest[0] if oldest else {"pid": 0, "seconds": 0}
    yield from OLDEST.of(first["seconds"])
    yield from OLDEST_PROCESS.of(first["pid"])
    row = locks[0] if locks else {}
    for metric, column in (
        (WAITERS, "waiters"),
        (LONGEST, "longest"),
        (BLOCKER, "blocker"),
        (BLOCKED, "blocked"),
        (BLOCKS, "seconds"),
    ):
        yield from metric.of(row.get(column) or 0)


def _tables(rows: console.Rows) -> Iterator[Sample]:
    for row in rows[:1]:
        yield from LIVE.of(row["all_live"])
        yield from DEAD.of(row["all_dead"])
    for row in rows:
        place = (row["schema"], row["table"])
        yield from TABLE_LIVE.of(row["live"], *place)
        yield from TABLE_DEAD.of(row["dead"], *place)
        yield from TABLE_SIZE.of(row["size"], *place)
