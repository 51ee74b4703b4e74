"""The plan of a stack from its inputs and its hardware: one pure function, `plan`.

Constants carry a unit in their name or comment and say where they come from; those that nobody has measured
yet say so. "PostgreSQL wiki" is the page "Number Of Database Connections".
"""

from __future__ import annotations

from typing import Any

from pgstack import invariants, layout
from pgstack.config import StackConfig
from pgstack.errors import InputError, UnsoundPlan
from pgstack.hardware import Hardware
from pgstack.plan import Apache, Memory, Plan, Pooler, Postgres, Roles, Site, Web

KB, MB, GB = 1024, 1024**2, 1024**3

# Web. One process saturates one core (the GIL); a second one serves while the first is replaced.
MIN_PROCESSES = 2
THREADS = 4  # cover the waits for the database; more only lengthen the queue inside a process
WEB_PROCESS_BYTES = 64 * MB  # estimate, not measured yet: one process with the demo
WEB_SHARE_DIVISOR = 4  # processes may take a quarter of memory unless the user says otherwise

# Pooler. PostgreSQL wiki: connections = cores x 2 + effective spindles; one SSD counts as one.
BACKENDS_PER_CORE = 2
SPINDLES = 1
RESERVE_DIVISOR = 4  # reserve_pool_size as a part of the pool: enough for a burst, too few for a stampede
OVERLAP = 2  # while processes are replaced, old and new ones hold connections at the same time
CLIENT_MARGIN = 20  # probes, management commands, consoles
SPARE_DESCRIPTORS = 64  # log, sockets and epoll of PgBouncer
POOLER_BYTES = 16 * MB  # estimate, not measured yet

# PostgreSQL.
SUPERUSER_RESERVED = 3  # PostgreSQL's default
BACKEND_BYTES = 4 * MB  # estimate, not measured yet: private memory of an idle backend
SMALL_MEMORY_BYTES = GB  # up to here shared_buffers takes an eighth, of the rest a quarter (PostgreSQL docs: 25 %)
SHARED_BUFFERS_MAX_BYTES = 64 * GB
WORK_MEM_MIN_BYTES, WORK_MEM_MAX_BYTES = MB, 64 * MB
MAINTENANCE_MIN_BYTES, MAINTENANCE_MAX_BYTES = 16 * MB, GB
AUTOVACUUM_MIN_BYTES, AUTOVACUUM_MAX_BYTES = 8 * MB, 512 * MB
MAX_WAL_MIN_BYTES, MAX_WAL_MAX_BYTES = GB, 32 * GB

# System.
SYSTEM_BYTES = 96 * MB  # a Debian host without a desktop
SYSTEM_DIVISOR = 20
APACHE_CHILD_BYTES = 6 * MB  # estimate, not measured yet: private memory of an event child
APACHE_THREADS_PER_CHILD = 32
APACHE_MIN_WORKERS = 64
APACHE_MAX_WORKERS = 2048
PORT_POSTGRES, PORT_POOLER = 5432, 6432


def plan(config: StackConfig, hardware: Hardware) -> Plan:
    """The plan for these inputs on this hardware.

    Raises InputError when something the plan needs is unknown, UnsoundPlan when an invariant breaks.
    """
    cores = _known(hardware.cores, "cores")
    memory = _known(hardware.memory, "memory")
    debian = _known(hardware.debian, "debian")
    if debian not in layout.VERSIONS:
        raise InputError(f"STACK_DEBIAN={debian}: unsupported release. Supported: 12 and 13.")
    result = _assemble(config, hardware, cores, memory, debian)
    try:
        invariants.require(result)
    except UnsoundPlan as error:
        enough = _enough_memory(config, hardware, cores, memory, debian)
        hint = f" STACK_MEMORY={enough}m is enough." if enough * MB > memory else ""
        raise UnsoundPlan(f"{error}{hint}") from None
    return result


def _enough_memory(config: StackConfig, hardware: Hardware, cores: int, memory: int, debian: int) -> int:
    """MB from `memory` on whose plan fits. The shares grow with memory, but slower, so this comes to an end."""
    enough = memory // MB
    while True:
        needed = invariants.memory_needed(_assemble(config, hardware, cores, enough * MB, debian))
        if needed <= enough:
            return enough
        enough = needed


def _known(value: int | None, field: str) -> int:
    if value is None:
        raise InputError(f"STACK_{field.upper()}: unknown on this machine. Set it.")
    return value


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _assemble(config: StackConfig, hardware: Hardware, cores: int, memory: int, debian: int) -> Plan:
    why: dict[str, str] = {}
    versions = layout.VERSIONS[debian]
    paths, who, roles = layout.paths(config, versions), layout.accounts(config), Roles()
    web = _web(config, cores, memory, why)
    apache = _apache(web, why)
    pooler = _pooler(config, cores, web, why, versions=versions, paths=paths, who=who, roles=roles)
    postgres, shares = _postgres(
        config, cores, memory, pooler, why, versions=versions, paths=paths, who=who, roles=roles
    )
    return Plan(
        target=config.target, debian=debian, cores=cores, open_files=hardware.open_files, versions=versions,
        paths=paths, accounts=who, roles=roles, site=_site(config, paths.secrets), web=web, apache=apache,
        pooler=pooler, postgres=postgres,
        memory=Memory(
            total=memory, system=SYSTEM_BYTES + memory // SYSTEM_DIVISOR, web=web.processes * web.memory_per_process,
            apache=(1 + apache.server_limit) * APACHE_CHILD_BYTES // 2, pooler=POOLER_BYTES, **shares,
        ),
        arithmetic=why,
    )  # fmt: skip


def _site(config: StackConfig, secrets: str) -> Site:
    certificate, key = str(config.tls_certificate or ""), str(config.tls_key or "")
    if config.tls == "self-signed":
        certificate, key = f"{secrets}/tls_certificate.pem", f"{secrets}/tls_key.pem"
    return Site(
        address=config.address, port=config.port, hosts=config.hosts, tls=config.tls,
        tls_certificate=certificate, tls_key=key,
    )  # fmt: skip


def _web(config: StackConfig, cores: int, memory: int, why: dict[str, str]) -> Web:
    affordable = memory // WEB_SHARE_DIVISOR // WEB_PROCESS_BYTES
    wanted = max(MIN_PROCESSES, cores)
    processes = config.processes or max(MIN_PROCESSES, min(wanted, affordable))
    threads = config.threads or THREADS
    timeout = config.request_timeout
    why["web.processes"] = (
        f"STACK_PROCESSES={processes}" if config.processes
        else f"max({MIN_PROCESSES}, min({cores} cores, {affordable} that a quarter of memory holds))"
    )  # fmt: skip
    why["web.threads"] = f"STACK_THREADS={threads}" if config.threads else "covers the waits for the database"
    why["web.queue_timeout"] = f"{timeout} s request timeout / 3"
    return Web(
        processes=processes, threads=threads, hosts=config.web_hosts, request_timeout=timeout,
        queue_timeout=timeout // 3, graceful_timeout=timeout // 2, shutdown_timeout=timeout // 3,
        listen_backlog=max(512, processes * threads * 8), memory_per_process=WEB_PROCESS_BYTES,
    )  # fmt: skip


def _apache(web: Web, why: dict[str, str]) -> Apache:
    wanted = _clamp(4 * web.requests, APACHE_MIN_WORKERS, APACHE_MAX_WORKERS)
    children = -(-wanted // APACHE_THREADS_PER_CHILD)
    why["apache.max_request_workers"] = (
        f"4 x {web.requests} requests at a time, {APACHE_MIN_WORKERS} to {APACHE_MAX_WORKERS}, "
        f"in children of {APACHE_THREADS_PER_CHILD} threads"
    )
    workers = children * APACHE_THREADS_PER_CHILD
    return Apache(
        threads_per_child=APACHE_THREADS_PER_CHILD, server_limit=children, start_servers=min(2, children),
        max_request_workers=workers, min_spare_threads=APACHE_THREADS_PER_CHILD,
        max_spare_threads=workers, timeout=2 * web.request_timeout, keep_alive_timeout=5,
        graceful_shutdown_timeout=web.request_timeout, modules_directory="/usr/lib/apache2/modules",
        mime_types="/etc/mime.types",
    )  # fmt: skip


def _pooler(config: StackConfig, cores: int, web: Web, why: dict[str, str], **place: Any) -> Pooler:
    pool = config.pool_size or BACKENDS_PER_CORE * cores + SPINDLES
    reserve = max(2, pool // RESERVE_DIVISOR)
    clients = OVERLAP * web.requests * web.hosts + CLIENT_MARGIN
    why["pooler.default_pool_size"] = (
        f"STACK_POOL_SIZE={pool}" if config.pool_size
        else f"{BACKENDS_PER_CORE} x {cores} cores + {SPINDLES} (PostgreSQL wiki)"
    )  # fmt: skip
    why["pooler.reserve_pool_size"] = f"max(2, {pool} / {RESERVE_DIVISOR})"
    why["pooler.max_db_connections"] = f"{pool} pool + {reserve} reserve"
    why["pooler.max_client_conn"] = (
        f"{OVERLAP} generations x {web.processes} processes x {web.threads} threads x {web.hosts} hosts "
        f"+ {CLIENT_MARGIN} for probes and commands"
    )
    who, roles, versions = place["who"], place["roles"], place["versions"]
    web_login, monitor_login = layout.pooler_logins(who, roles, versions)
    numbers = {
        "max_client_conn": clients, "default_pool_size": pool, "reserve_pool_size": reserve,
        "max_db_connections": pool + reserve, "query_timeout": web.request_timeout * 5 // 6,
        "query_wait_timeout": web.queue_timeout,
    }  # fmt: skip
    why["pooler.query_timeout"] = f"{web.request_timeout} s request timeout x 5/6"
    why["pooler.query_wait_timeout"] = f"{web.request_timeout} s request timeout / 3"
    return Pooler(
        port=PORT_POOLER, web_login=web_login, monitor_login=monitor_login, peer_maps=layout.peer_maps(versions),
        identities=layout.pooler_identities(who, roles, versions),
        file_descriptors=clients + pool + reserve + SPARE_DESCRIPTORS,
        settings=_pooler_settings(numbers, place["paths"], versions, monitor_login), **numbers,
    )  # fmt: skip


def _pooler_settings(numbers: dict[str, int], paths: Any, versions: Any, monitor_login: str) -> dict[str, str]:
    """Lines of pgbouncer.ini. No listen_addr: PgBouncer never listens on TCP."""
    version = layout.version(versions.pgbouncer)
    conf = f"{paths.conf}/pgbouncer"
    settings: dict[str, object] = {
        "unix_socket_dir": paths.run_pooler, "unix_socket_mode": "0770", "listen_port": PORT_POOLER,
        "auth_type": "hba", "auth_file": f"{conf}/userlist.txt", "auth_hba_file": f"{conf}/hba.conf",
        "stats_users": monitor_login, "pool_mode": "transaction", **numbers,
        # Warm from the first request on, also after an idle night.
        "min_pool_size": min(numbers["default_pool_size"], 4), "reserve_pool_timeout": 3,
        "server_lifetime": 3600, "server_idle_timeout": 600, "server_connect_timeout": 5,
        # The default of 15 turns a database restart of one second into an outage of fifteen.
        "server_login_retry": 1, "client_login_timeout": 15,
        # The role's own idle_in_transaction_session_timeout strikes first and leaves a message.
        "idle_transaction_timeout": numbers["query_timeout"],
        "server_reset_query": "DISCARD ALL", "server_reset_query_always": 0, "application_name_add_host": 0,
        "log_connections": 0, "log_disconnections": 0, "log_pooler_errors": 1, "stats_period": 60,
    }  # fmt: skip
    if layout.peer_maps(versions):
        settings["auth_ident_file"] = f"{conf}/ident.conf"
    if version >= (1, 21):
        settings["max_prepared_statements"] = 200
    return {name: str(value) for name, value in settings.items()}


def _postgres(
    config: StackConfig, cores: int, memory: int, pooler: Pooler, why: dict[str, str], **place: Any
) -> tuple[Postgres, dict[str, int]]:
    pooled = pooler.max_db_connections * config.web_hosts
    connections = pooled + config.direct_connections + SUPERUSER_RESERVED
    why["postgres.max_connections"] = (
        f"{pooled} through the pooler + {config.direct_connections} direct + {SUPERUSER_RESERVED} superuser"
    )
    small = min(memory, SMALL_MEMORY_BYTES)
    sizes = {
        "shared_buffers": _whole_mb(min(small // 8 + (memory - small) // 4, SHARED_BUFFERS_MAX_BYTES)),
        "effective_cache_size": _whole_mb(memory // 2),
        "work_mem": _whole_mb(_clamp(memory // 16 // connections, WORK_MEM_MIN_BYTES, WORK_MEM_MAX_BYTES)),
        "maintenance_work_mem": _whole_mb(_clamp(memory // 32, MAINTENANCE_MIN_BYTES, MAINTENANCE_MAX_BYTES)),
        "autovacuum_work_mem": _whole_mb(_clamp(memory // 64, AUTOVACUUM_MIN_BYTES, AUTOVACUUM_MAX_BYTES)),
        "max_wal_size": _whole_mb(_clamp(memory // 4, MAX_WAL_MIN_BYTES, MAX_WAL_MAX_BYTES)),
    }
    why["postgres.shared_buffers"] = "an eighth of the first GB, a quarter of the rest, at most 64 GB"
    why["postgres.effective_cache_size"] = "half of memory"
    why["postgres.work_mem"] = f"memory / 16 / {connections} connections, 1 to 64 MB"
    why["postgres.maintenance_work_mem"] = "memory / 32, 16 MB to 1 GB"
    why["postgres.max_wal_size"] = "memory / 4, 1 to 32 GB"
    workers = 2 if cores < 4 else 3 if cores < 16 else 5
    settings = _postgres_settings(cores, connections, workers, sizes, place["paths"], place["versions"])
    timeout = config.request_timeout
    statement = timeout * 2 // 3
    why["postgres.statement_timeout"] = f"{timeout} s request timeout x 2/3, on the role of the web"
    part = Postgres(
        port=PORT_POSTGRES, database="app", identities=layout.postgres_identities(place["who"], place["roles"]),
        max_connections=connections, superuser_reserved_connections=SUPERUSER_RESERVED,
        direct_connections=config.direct_connections, settings=settings,
        app_settings=_role_timeouts(timeout, statement, place["versions"].postgresql),
        owner_settings={"timezone": "UTC", "lock_timeout": f"{timeout // 6}s"}, statement_timeout=statement,
    )  # fmt: skip
    shares = {
        "shared_buffers": sizes["shared_buffers"],
        "backends": connections * (BACKEND_BYTES + sizes["work_mem"]),
        "maintenance": sizes["maintenance_work_mem"] + workers * sizes["autovacuum_work_mem"],
    }
    return part, shares


def _whole_mb(size: int) -> int:
    return size // MB * MB


def _role_timeouts(request_timeout: int, statement: int, postgresql: int) -> dict[str, str]:
    """Settings of the web's role: they hold on every backend, whoever used it before."""
    timeouts = {
        "timezone": "UTC", "statement_timeout": f"{statement}s", "lock_timeout": f"{request_timeout // 6}s",
        "idle_in_transaction_session_timeout": f"{request_timeout // 3}s",
    }  # fmt: skip
    if postgresql >= 17:
        timeouts["transaction_timeout"] = f"{request_timeout}s"
    return timeouts


def _postgres_settings(
    cores: int, connections: int, workers: int, sizes: dict[str, int], paths: Any, versions: Any
) -> dict[str, str]:
    """Lines of the drop-in. OLTP on an SSD: cheap random reads, no JIT, little parallelism per query."""
    conf = f"{paths.conf}/postgres"
    settings: dict[str, object] = {
        "listen_addresses": "", "port": PORT_POSTGRES, "unix_socket_directories": paths.run_postgres,
        "unix_socket_permissions": "0770", "hba_file": f"{conf}/pg_hba.conf", "ident_file": f"{conf}/pg_ident.conf",
        "ssl": "off", "password_encryption": "scram-sha-256", "max_connections": connections,
        "superuser_reserved_connections": SUPERUSER_RESERVED, "client_connection_check_interval": "10s",
        **{name: f"{value // MB}MB" for name, value in sizes.items()},
        "min_wal_size": f"{sizes['max_wal_size'] // MB // 4}MB", "wal_buffers": "16MB", "wal_compression": "lz4",
        "checkpoint_timeout": "15min", "checkpoint_completion_target": "0.9", "synchronous_commit": "on",
        "random_page_cost": "1.1", "effective_io_concurrency": 200, "jit": "off",
        "max_worker_processes": max(8, cores), "max_parallel_workers": cores,
        "max_parallel_workers_per_gather": min(2, cores // 4),
        "autovacuum_max_workers": workers, "autovacuum_naptime": "30s", "autovacuum_vacuum_cost_limit": 1000,
        "autovacuum_vacuum_scale_factor": "0.05", "autovacuum_analyze_scale_factor": "0.02",
        "timezone": "UTC", "log_timezone": "UTC", "track_io_timing": "on",
        "log_min_duration_statement": "1s", "log_lock_waits": "on", "log_temp_files": "10MB",
        "log_autovacuum_min_duration": "1s", "log_line_prefix": "%m [%p] %q%u@%d ", "cluster_name": "stack",
    }  # fmt: skip
    return {name: str(value) for name, value in settings.items()}
