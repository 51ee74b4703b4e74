"""The plan's numbers: alerts compare with them, so their text is the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator

from pgstack.metrics.model import LANE, Sample, gauge
from pgstack.planning.apache import Web
from pgstack.planning.lanes import Lane
from pgstack.planning.plan import Plan

INFO = gauge(
    "info",
    "Always 1; its labels say what runs here.",
    "target",
    "part",
    "debian",
    "postgresql",
    "pgbouncer",
    "mod_wsgi",
)
WRITTEN = gauge("plan_written_timestamp_seconds", "When the plan in force was written.")
PROCESSES = gauge("plan_processes", "Web processes planned.", LANE)
THREADS = gauge(
    "plan_threads", "Request threads of all web processes: requests handled at a time.", LANE
)
PROCESS_MEMORY = gauge("plan_process_memory_bytes", "Memory planned for one web process.")
QUEUE = gauge("plan_queue_timeout_seconds", "Longest wait for a free request thread.")
REQUEST = gauge("plan_request_timeout_seconds", "Longest time that a request may take.")
WORKERS = gauge("plan_apache_workers", "Apache's workers (MaxRequestWorkers).")
CLIENTS = gauge("plan_pooler_clients", "Clients that PgBouncer accepts (max_client_conn).")
POOL = gauge("plan_pool_size", "Backends of a pool.", "database")
RESERVE = gauge("plan_pool_reserve", "Backends in reserve for a pool.", "database")
WAIT = gauge("plan_pool_wait_timeout_seconds", "Longest wait for a backend (query_wait_timeout).")
CONNECTIONS = gauge(
    "plan_postgresql_connections", "Connections that PostgreSQL accepts (max_connections)."
)
RESERVED = gauge("plan_postgresql_reserved_connections", "Connections reserved for superusers.")
DIRECT = gauge(
    "plan_postgresql_direct_connections", "Connections planned for clients that bypass PgBouncer."
)
STATEMENT = gauge(
    "plan_statement_timeout_seconds", "Longest time that a page's statement may take."
)
IDLE = gauge(
    "plan_idle_in_transaction_timeout_seconds",
    "Longest time that a page's transaction may sit idle.",
)
BACKUP = gauge("plan_backup_oldest_seconds", "Age at which a backup is overdue.")
DRILL = gauge("plan_drill_oldest_seconds", "Age at which a drill is overdue.")
LAG = gauge("plan_cluster_lag_bytes", "WAL that a standby may lack and still lead next.")
LEASE = gauge(
    "plan_cluster_lease_seconds", "Time that a leader stays one without being heard of (ttl)."
)
MEMORY = gauge("plan_memory_bytes", "Memory planned, by what it is for.", "share")
UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def collect(plan: Plan, written: float) -> Iterator[Sample]:
    """Samples of `plan`; `written` is when its file was written, in seconds since 1970."""
    versions = plan.versions
    yield from INFO.of(
        1,
        plan.target,
        plan.part,
        str(plan.debian),
        str(versions.postgresql),
        versions.pgbouncer,
        versions.mod_wsgi,
    )
    yield from WRITTEN.of(written)
    yield from _web(plan)
    yield from _pooler(plan)
    yield from _postgres(plan)
    if kept := plan.backup or plan.file_backup:
        yield from BACKUP.of(kept.oldest)
        yield from DRILL.of(kept.drill_oldest)
    if plan.cluster:
        yield from LAG.of(plan.cluster.most_lag)
        yield from LEASE.of(plan.cluster.ttl)
    for share, size in plan.memory.model_dump().items():
        yield from MEMORY.of(size, share)


def _web(plan: Plan) -> Iterator[Sample]:
    web = plan.web
    groups: list[tuple[str, Web | Lane]] = [("", web)]
    groups += [(lane.name, lane) for lane in plan.lanes]
    for name, part in groups:
        yield from PROCESSES.of(part.processes, name)
        yield from THREADS.of(part.requests, name)
    yield from PROCESS_MEMORY.of(web.memory_per_process)
    yield from QUEUE.of(web.queue_timeout)
    yield from REQUEST.of(web.request_timeout)
    yield from WORKERS.of(plan.apache.max_request_workers)


def _pooler(plan: Plan) -> Iterator[Sample]:
    pooler, tasks = plan.pooler, plan.background
    yield from CLIENTS.of(pooler.max_client_conn)
    yield from WAIT.of(pooler.query_wait_timeout)
    yield from POOL.of(pooler.default_pool_size, plan.postgres.database)
    yield from RESERVE.of(pooler.reserve_pool_size, plan.postgres.database)
    for lane in plan.lanes:
        yield from POOL.of(lane.pool_size, lane.database)
    if plan.replicas:
        yield from POOL.of(plan.replicas.pool_size, plan.replicas.database)
    if tasks:
        yield from POOL.of(tasks.pool_size, tasks.database)
        yield from RESERVE.of(tasks.reserve_pool_size, tasks.database)


def _postgres(plan: Plan) -> Iterator[Sample]:
    postgres = plan.postgres
    yield from CONNECTIONS.of(postgres.max_connections)
    yield from RESERVED.of(postgres.superuser_reserved_connections)
    yield from DIRECT.of(postgres.direct_connections)
    yield from STATEMENT.of(postgres.statement_timeout)
    idle = postgres.app_settings.get("idle_in_transaction_session_timeout")
    yield from IDLE.of(seconds(idle) if idle else None)


def seconds(setting: str) -> float:
    """A setting with a unit, such as `10s`, in seconds."""
    number = setting.rstrip("hmins")
    return float(number) * UNITS[setting[len(number) :]]
