"""What PostgreSQL is asked. None of it waits for a lock of a table: sizes of tables are those that
its catalogue has, for asking the disk would."""

from __future__ import annotations

CHECKPOINTER_SINCE = 170000
"""version in which checkpoints have a view of their own"""

BACKENDS = """
    SELECT coalesce(usename, '') AS role, coalesce(state, '') AS state,
           CASE WHEN state = 'active' THEN coalesce(wait_event_type, '') ELSE '' END AS wait,
           count(*) AS count,
           extract(epoch FROM max(clock_timestamp() - state_change)) AS longest
      FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
     GROUP BY 1, 2, 3"""
OLDEST = """
    SELECT pid, extract(epoch FROM clock_timestamp() - xact_start) AS seconds FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
     ORDER BY xact_start LIMIT 1"""
# Blockers of a hundred are looked for: each look takes the lock manager for a moment.
LOCKS = """
    WITH waiting AS MATERIALIZED (
        SELECT pid, clock_timestamp() - query_start AS since, pg_blocking_pids(pid) AS blockers
          FROM (SELECT pid, query_start FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                 ORDER BY query_start LIMIT 100) AS oldest),
    first AS (
        SELECT a.pid AS blocker, count(*) AS blocked,
               extract(epoch FROM clock_timestamp() - a.xact_start) AS seconds
          FROM waiting, unnest(blockers) AS other JOIN pg_stat_activity AS a ON a.pid = other
         WHERE a.pid NOT IN (SELECT pid FROM waiting)
         GROUP BY a.pid, a.xact_start ORDER BY count(*) DESC LIMIT 1)
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock') AS waiters,
           (SELECT extract(epoch FROM max(since)) FROM waiting) AS longest,
           blocker, blocked, seconds
      FROM (SELECT) AS always LEFT JOIN first ON true"""
SERVER = """
    SELECT current_setting('max_connections')::int AS max_connections,
           extract(epoch FROM pg_postmaster_start_time()) AS started,
           pg_is_in_recovery() AS standby,
           CASE WHEN pg_is_in_recovery()
                THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END
             AS behind,
           (SELECT max(age(datfrozenxid)) FROM pg_database) AS xid_age,
           (SELECT sum(checksum_failures) FROM pg_stat_database) AS checksum_failures"""
FILES = "SELECT sum(size) AS wal FROM pg_ls_waldir()"
DATABASE = """
    SELECT numbackends, xact_commit, xact_rollback, blks_read, blks_hit, temp_files, temp_bytes,
           deadlocks, conflicts, blk_read_time / 1000 AS read_seconds,
           blk_write_time / 1000 AS write_seconds, sessions_abandoned, sessions_fatal,
           sessions_killed, pg_database_size(datid) AS size
      FROM pg_stat_database WHERE datname = current_database()"""
WAL = "SELECT wal_records, wal_bytes, wal_buffers_full FROM pg_stat_wal"
ARCHIVER = """
    SELECT current_setting('archive_mode') <> 'off' AND NOT pg_is_in_recovery() AS wanted,
           archived_count, failed_count,
           extract(epoch FROM last_archived_time) AS last_archived,
           CASE WHEN NOT pg_is_in_recovery() THEN extract(epoch FROM last_failed_time) END
               AS last_failed
      FROM pg_stat_archiver"""
"""a standby archives nothing, and what failed while it led is over"""
CHECKPOINTS = """
    SELECT num_timed AS timed, num_requested AS requested, write_time / 1000 AS write_seconds,
           sync_time / 1000 AS sync_seconds, buffers_written AS buffers
      FROM pg_stat_checkpointer"""
CHECKPOINTS_BEFORE = """
    SELECT checkpoints_timed AS timed, checkpoints_req AS requested,
           checkpoint_write_time / 1000 AS write_seconds,
           checkpoint_sync_time / 1000 AS sync_seconds, buffers_checkpoint AS buffers
      FROM pg_stat_bgwriter"""
# By name those with most dead rows.
TABLES = """
    SELECT sum(n_live_tup) OVER () AS all_live, sum(n_dead_tup) OVER () AS all_dead,
           schemaname AS schema, tables.relname AS table, n_live_tup AS live, n_dead_tup AS dead,
           relpages::float8 * current_setting('block_size')::int AS size
      FROM pg_stat_user_tables AS tables JOIN pg_class ON pg_class.oid = relid
     ORDER BY n_dead_tup DESC, 3, 4 LIMIT 10"""
REPLICATION = """
    SELECT application_name AS name, coalesce(state, '') AS state,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                ELSE pg_current_wal_lsn() END, replay_lsn) AS bytes,
           extract(epoch FROM replay_lag) AS seconds
      FROM pg_stat_replication WHERE application_name <> 'pg_basebackup'"""
SLOTS = """
    SELECT slot_name AS name, active,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                ELSE pg_current_wal_lsn() END, restart_lsn) AS bytes
      FROM pg_replication_slots"""


def of(version: int) -> dict[str, str]:
    """All of them, for a server of this version (`server_version_num`)."""
    return {
        "backends": BACKENDS,
        "oldest": OLDEST,
        "locks": LOCKS,
        "server": SERVER,
        "files": FILES,
        "database": DATABASE,
        "wal": WAL,
        "archiver": ARCHIVER,
        "checkpoints": CHECKPOINTS if version >= CHECKPOINTER_SINCE else CHECKPOINTS_BEFORE,
        "tables": TABLES,
        "replication": REPLICATION,
        "slots": SLOTS,
    }
