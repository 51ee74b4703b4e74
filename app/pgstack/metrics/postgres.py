"""PostgreSQL, as the monitoring role sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
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
"""where a role or a server is another's"""

BACKENDS = gauge("postgresql_backends", "Sessions by role and state.", "role", "state")
WAITING = gauge(
    "postgresql_waiting_backends", "Sessions whose statement waits, by what it waits for.", "type"
)
IDLE = gauge(
    "postgresql_idle_in_transaction_seconds",
    "How long a session has been idle in a transaction, the longest.",
)
OLDEST = gauge("postgresql_oldest_transaction_seconds", "Age of the oldest transaction.")
OLDEST_PROCESS = gauge("postgresql_oldest_transaction_process", "Its process; 0 without one.")
WAITERS = gauge("postgresql_lock_waiters", "Sessions that wait for a lock.")
LONGEST = gauge(
    "postgresql_lock_wait_seconds", "How long a statement that waits for a lock runs, the longest."
)
BLOCKER = gauge(
    "postgresql_blocker_process",
    "Process that most of them wait for, and that waits for none; 0 without one.",
)
BLOCKED = gauge("postgresql_blocker_waiters", "How many wait for it.")
BLOCKS = gauge("postgresql_blocker_transaction_seconds", "Age of its transaction.")
TABLE_LIVE = gauge("postgresql_table_live_rows", "Rows of a table.", "schema", "table")
TABLE_DEAD = gauge(
    "postgresql_table_dead_rows", "Dead rows of a table: the ten with most.", "schema", "table"
)
TABLE_SIZE = gauge(
    "postgresql_table_size_bytes",
    "Size of a table when it was last vacuumed or analyzed, without indexes.",
    "schema",
    "table",
)
LAG_BYTES = gauge("postgresql_replication_lag_bytes", "WAL not replayed yet.", "name", "state")
LAG_SECONDS = gauge("postgresql_replication_lag_seconds", "The same as a time.", "name", "state")
SLOT_ACTIVE = gauge("postgresql_slot_active", "1 while somebody reads from a slot.", "name")
SLOT_BYTES = gauge("postgresql_slot_kept_bytes", "WAL that a slot keeps.", "name")

COLUMNS: dict[str, dict[str, Metric]] = {
    "server": {
        "max_connections": gauge("postgresql_max_connections", "As it runs."),
        "started": gauge("postgresql_start_timestamp_seconds", "When it started."),
        "standby": gauge("postgresql_standby", "1 on a standby."),
        "behind": gauge("postgresql_standby_seconds", "Age of what a standby has replayed."),
        "xid_age": gauge("postgresql_xid_age", "Transactions since the oldest frozen row."),
        "checksum_failures": counter(
            "postgresql_checksum_failures", "Pages read with a wrong checksum."
        ),
    },
    "files": {"wal": gauge("postgresql_wal_size_bytes", "Size of pg_wal.")},
    "database": {
        "numbackends": gauge("postgresql_database_connections", "Sessions of the database."),
        "xact_commit": counter("postgresql_commits", "Transactions that were committed."),
        "xact_rollback": counter("postgresql_rollbacks", "Transactions that were rolled back."),
        "blks_read": counter("postgresql_blocks_read", "Blocks that came from the system."),
        "blks_hit": counter("postgresql_blocks_hit", "Blocks that shared_buffers had."),
        "temp_files": counter("postgresql_temporary_files", "Files of sorts and hashes."),
        "temp_bytes": counter("postgresql_temporary_bytes", "Their size."),
        "deadlocks": counter("postgresql_deadlocks", "Deadlocks."),
        "conflicts": counter("postgresql_conflicts", "Statements that recovery ended."),
        "read_seconds": counter("postgresql_read_seconds", "Time in which blocks were read."),
        "write_seconds": counter("postgresql_write_seconds", "Time in which they were written."),
        "sessions_abandoned": counter("postgresql_abandoned_sessions", "Lost clients."),
        "sessions_fatal": counter("postgresql_fatal_sessions", "Ended by fatal errors."),
        "sessions_killed": counter("postgresql_killed_sessions", "Ended by an administrator."),
        "size": gauge("postgresql_database_size_bytes", "Size of the database."),
    },
    "wal": {
        "wal_records": counter("postgresql_wal_records", "Records of WAL."),
        "wal_bytes": counter("postgresql_wal_bytes", "Bytes of WAL."),
        "wal_buffers_full": counter("postgresql_wal_buffers_full", "Writes for want of a buffer."),
    },
    "archiver": {
        "wanted": gauge("postgresql_archiving", "1 where WAL is archived."),
        "archived_count": counter("postgresql_archived_segments", "Segments archived."),
        "failed_count": counter("postgresql_archive_failures", "Attempts that failed."),
        "last_archived": gauge("postgresql_archived_timestamp_seconds", "The last success."),
        "last_failed": gauge("postgresql_archive_failed_timestamp_seconds", "The last failure."),
    },
    "checkpoints": {
        "timed": counter("postgresql_checkpoints_timed", "Checkpoints whose time had come."),
        "requested": counter("postgresql_checkpoints_requested", "Those that WAL asked for."),
        "write_seconds": counter("postgresql_checkpoint_write_seconds", "Time of writing."),
        "sync_seconds": counter("postgresql_checkpoint_sync_seconds", "Time of synchronising."),
        "buffers": counter("postgresql_checkpoint_buffers", "Buffers written."),
    },
}
"""metrics of the questions that are answered by one row, by its columns"""
LIVE = gauge("postgresql_live_rows", "Rows of all tables.")
DEAD = gauge("postgresql_dead_rows", "Dead rows of all tables.")


class Reader:
    """Keeps its connection: it is planned for, and works where all others are taken."""

    def __init__(self) -> None:
        self._connection: Any = None

    def read(
        self, plan: Plan, more: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, console.Rows]:
        """The answers by question, and to `more` of them, without those that the role may not
        ask or that the server does not know, as at a server of others. Connects once more where
        the server has started anew since. Raises psycopg2.Error."""
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
        """Give the connection up."""
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
