"""Settings of PostgreSQL and its clients that do not depend on the size of the stack."""

from __future__ import annotations

from pgstack.planning.places import Paths

FIXED = {
    # Notices within a request's time that its client has gone (default: never).
    "client_connection_check_interval": "10s",
    # Full-page images compress well, and lz4 costs little (default: off).
    "wal_compression": "lz4",
    # Fewer full-page images than with the default of 5 min; max_wal_size bounds the recovery.
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "synchronous_commit": "on",
    # SSD: a random read costs little more than a sequential one (default 4), and hundreds at a time
    # are fine (Docs).
    "random_page_cost": "1.1",
    "effective_io_concurrency": "200",
    # Compiling takes longer than a page's query runs.
    "jit": "off",
    # Vacuum at 5 % dead rows instead of 20 %, statistics at 2 % instead of 10 %: small and often.
    # The limit is five times the default of 200, which was chosen for disks; all workers share it.
    "autovacuum_naptime": "30s",
    "autovacuum_vacuum_cost_limit": "1000",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "track_io_timing": "on",
    # What a person wants to find in the log: slow statements, long locks, sorts on disk, long
    # vacuums.
    "log_min_duration_statement": "1s",
    # And how it was done: the plan, without the times of each node, which all statements would pay
    # for.
    "auto_explain.log_min_duration": "1s",
    "log_lock_waits": "on",
    "log_temp_files": "10MB",
    "log_autovacuum_min_duration": "1s",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "cluster_name": "stack",
    # What statements take in sum; 0.4 kB each, of those that are used.
    "shared_preload_libraries": "auto_explain,pg_stat_statements",
    "pg_stat_statements.max": "2000",
}

KEEPALIVE = {
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""in seconds: the backends of a web host that was lost are free after a minute and a half (default:
two hours)"""

LOST_PRIMARY = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""in seconds, the last in milliseconds: a client past the pooler goes to the next host after 5 s,
and hears after 20 s that the one it waits for is gone (default: two minutes, and two hours)"""


def connection(paths: Paths, *, elects: bool = False) -> dict[str, str]:
    """For clients that go past the pooler to a PostgreSQL on another machine.

    They show no certificate: libpq would look for one in the home of the account that started them,
    and fail where it may not read that. Of several hosts they want the primary, and wait for none
    that is lost.
    """
    return {
        "sslmode": "verify-full",
        "sslrootcert": f"{paths.database}/authority.pem",
        "passfile": f"{paths.database}/pgpass",
        "sslcert": f"{paths.database}/none",
        **({"target_session_attrs": "read-write", **LOST_PRIMARY} if elects else {}),
    }
