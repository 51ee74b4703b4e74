"""PostgreSQL for OLTP on an SSD, beside the web processes. "Docs" is its manual, chapter Server
Configuration."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from pgstack.planning import layout, locales
from pgstack.planning.background import Background
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import External, Pooler, Postgres
from pgstack.planning.sizing import backup, metrics, rights, timeouts
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.postgres_settings import FIXED, KEEPALIVE, connection
from pgstack.planning.sizing.scale import GB, MB, clamp
from pgstack.planning.sizing.timeouts import seconds

PORT = 5432

SUPERUSER_RESERVED = 3
"""connections; PostgreSQL's default"""
BACKEND_BYTES = 4 * MB
"""a backend of a small schema after load: 3.2 MB x 1.25 (docs/measurements.md)"""
PROCESSES_BYTES = 16 * MB
"""the first process and its five helpers: 11 MB x 1.4 (docs/measurements.md)"""
SHARED_FIXED_BYTES, SHARED_DIVISOR = 8 * MB, 16
"""shared memory beside the buffers: WAL buffers, locks, and a description of each buffer
(docs/measurements.md)"""

SMALL_MEMORY_BYTES, SMALL_BUFFERS_DIVISOR, BUFFERS_DIVISOR = GB, 8, 4
"""shared_buffers: a quarter from 1 GB on, less below, to leave the system enough (Docs)"""
BUFFERS_MAX_BYTES = 64 * GB
"""without huge pages each backend maps this with 128 MB of page tables (8 bytes per 4 kB); the page
cache holds more"""
CACHE_DIVISOR = 2
"""effective_cache_size: shared_buffers and page cache; the other half is for the web and the work
of queries"""
WORK_DIVISOR, WORK_MIN_BYTES, WORK_MAX_BYTES = 16, MB, 64 * MB
"""memory for sorts and hashes of all backends together: small, as a query may use it several times
(Docs)"""
MAINTENANCE_DIVISOR, MAINTENANCE_MIN_BYTES, MAINTENANCE_MAX_BYTES = 32, 16 * MB, GB
"""maintenance_work_mem: one index build at a time; more than 1 GB gains little"""
AUTOVACUUM_DIVISOR, AUTOVACUUM_MIN_BYTES, AUTOVACUUM_MAX_BYTES = 32, 8 * MB, 512 * MB
"""autovacuum_work_mem, of all workers together and of each: 8 MB hold 1.4 million dead rows (6
bytes each)"""
MAX_WAL_DIVISOR, MAX_WAL_MIN_BYTES, MAX_WAL_MAX_BYTES = 4, GB, 16 * GB
"""max_wal_size: at least PostgreSQL's default, at most what a disk and a crash recovery easily
take"""
MIN_WAL_DIVISOR = 4
"""min_wal_size as a part of max_wal_size: files kept for reuse between bursts"""

AUTOVACUUM_WORKERS = ((16, 5), (4, 3), (1, 2))
"""(from this many cores, workers): around the default of 3; they share one cost limit, so more are
no faster"""
PARALLEL_DIVISOR = 2
"""max_parallel_workers: half the cores, the web needs the others"""
GATHER_DIVISOR, GATHER_MAX = 4, 2
"""max_parallel_workers_per_gather: none below 4 cores, at most the default: pages of OLTP read few
rows"""
MIN_WORKER_PROCESSES = 8
"""max_worker_processes; PostgreSQL's default"""


@dataclass(frozen=True)
class Workers:
    """Background processes that work for queries and autovacuum."""

    processes: int
    parallel: int
    gather: int
    autovacuum: int


def worker_processes(cores: int) -> Workers:
    """Background workers for this many cores."""
    return Workers(
        processes=max(MIN_WORKER_PROCESSES, cores),
        parallel=cores // PARALLEL_DIVISOR,
        gather=min(GATHER_MAX, cores // GATHER_DIVISOR),
        autovacuum=next(count for least, count in AUTOVACUUM_WORKERS if cores >= least),
    )


def shares(memory: int, connections: int, workers: Workers) -> dict[str, int]:
    """Shares of memory in bytes, before they are rounded down to settings."""
    small = min(memory, SMALL_MEMORY_BYTES)
    buffers = small // SMALL_BUFFERS_DIVISOR + (memory - small) // BUFFERS_DIVISOR
    buffers = min(buffers, BUFFERS_MAX_BYTES)
    users = connections + workers.parallel
    work = clamp(memory // WORK_DIVISOR, users * WORK_MIN_BYTES, users * WORK_MAX_BYTES)
    vacuum = clamp(
        memory // AUTOVACUUM_DIVISOR,
        workers.autovacuum * AUTOVACUUM_MIN_BYTES,
        workers.autovacuum * AUTOVACUUM_MAX_BYTES,
    )
    maintenance = clamp(memory // MAINTENANCE_DIVISOR, MAINTENANCE_MIN_BYTES, MAINTENANCE_MAX_BYTES)
    return {
        "shared_buffers": buffers,
        "postgres": PROCESSES_BYTES + SHARED_FIXED_BYTES + buffers // SHARED_DIVISOR,
        "backends": users * BACKEND_BYTES,
        "work": work,
        "maintenance": maintenance,
        "autovacuum": vacuum,
    }


def postgres(
    basis: Basis, pooler: Pooler, background: Background | None
) -> tuple[Postgres, Reasons]:
    """PostgreSQL as planned, for the backends that PgBouncer may open."""
    config, who = basis.config, (basis.accounts, basis.roles)
    connections = _connections(basis, pooler, background)
    workers = worker_processes(basis.scale.cores)
    timeout, apart, far = config.request_timeout, config.part.apart, _elsewhere(config)
    given = config.database_url
    planned = Postgres(
        **_place(basis),
        extensions=config.extensions,
        locale=config.locale,
        locale_options=locales.options(config.locale),
        identities=layout.apart_identities(*who, metrics=metrics.observed(basis))
        if apart
        else layout.postgres_identities(
            *who, workers=background is not None, metrics=metrics.observed(basis)
        ),
        web_addresses=config.web_addresses or (),
        passwords=layout.passwords(*who, workers=background is not None) if apart else (),
        connection=connection(basis.paths) if far else {},
        max_connections=connections,
        superuser_reserved_connections=SUPERUSER_RESERVED,
        direct_connections=config.direct_connections,
        settings={} if given else _own_settings(connections, workers, basis),
        app_settings=timeouts.of_backends(timeouts.PAGE, timeout, basis.postgresql),
        owner_settings={"timezone": "UTC", "lock_timeout": f"{seconds(timeout, timeouts.LOCK)}s"},
        statement_timeout=seconds(timeout, timeouts.STATEMENT),
        closed_functions=() if given else rights.closed(basis.versions.postgresql),
    )
    return planned, _reasons(basis, connections, workers)


def _place(basis: Basis) -> dict[str, Any]:
    """Where it is, and which of its databases pages work with."""
    config, given = basis.config, basis.config.database_url
    if given:
        return {
            "host": given.host,
            "server_name": given.host,
            "port": given.port,
            "database": given.database,
        }
    far = str(config.database_host) if _elsewhere(config) else basis.paths.run_postgres
    own = {"host": far, "server_name": config.database_host or ""}
    return {**own, "port": PORT, "database": "app"}


def external(basis: Basis) -> External | None:
    """One that is not the stack's."""
    given = basis.config.external
    if given is None:
        return None
    return External(login=given.user, authority=given.sslrootcert, grants=basis.hardware.database)


def postgres_bytes(basis: Basis, pooler: Pooler, background: Background | None) -> dict[str, int]:
    """Its shares of memory."""
    connections = _connections(basis, pooler, background)
    parts = shares(basis.scale.memory, connections, worker_processes(basis.scale.cores))
    vacuum = parts.pop("autovacuum")
    return {**parts, "maintenance": parts["maintenance"] + vacuum}


def _elsewhere(config: StackConfig) -> bool:
    return "postgres" not in config.part.services


def _connections(basis: Basis, pooler: Pooler, background: Background | None) -> int:
    tasks = background.max_db_connections if background else 0
    pooled = (pooler.max_db_connections + tasks) * pooler.instances
    return pooled + basis.config.direct_connections + _held(basis) + SUPERUSER_RESERVED


def _held(basis: Basis) -> int:
    """Connections of the exporter."""
    return metrics.connections(basis)


def _sizes(memory: int, connections: int, workers: Workers) -> dict[str, int]:
    """Settings that are sizes, in bytes."""
    parts = shares(memory, connections, workers)
    max_wal = clamp(memory // MAX_WAL_DIVISOR, MAX_WAL_MIN_BYTES, MAX_WAL_MAX_BYTES)
    return {
        "shared_buffers": parts["shared_buffers"],
        "effective_cache_size": memory // CACHE_DIVISOR,
        "work_mem": parts["work"] // (connections + workers.parallel),
        "maintenance_work_mem": parts["maintenance"],
        "autovacuum_work_mem": parts["autovacuum"] // workers.autovacuum,
        "max_wal_size": max_wal,
        "min_wal_size": max_wal // MIN_WAL_DIVISOR,
    }


def _range(low: int, high: int) -> str:
    return f"{low // MB} to {high // MB} MB"


def _reasons(basis: Basis, connections: int, workers: Workers) -> Reasons:
    """How the sizes come about."""
    config, held = basis.config, _held(basis)
    pooled = connections - config.direct_connections - SUPERUSER_RESERVED - held
    statement = timeouts.text(config.request_timeout, timeouts.STATEMENT)
    needed = {
        "postgres.max_connections": f"{pooled} through the pooler + {config.direct_connections} "
        f"direct + " + (f"{held} of the exporter + " if held else "") + f"{SUPERUSER_RESERVED} "
        f"superuser",
        "postgres.statement_timeout": f"{statement}, on the role of the web",
    }
    return needed if config.database_url else {**_reasons_of_sizes(connections, workers), **needed}


def _reasons_of_sizes(connections: int, workers: Workers) -> Reasons:
    return {
        "postgres.shared_buffers": f"memory / {SMALL_BUFFERS_DIVISOR} of the first "
        f"{SMALL_MEMORY_BYTES // MB} MB, "
        f"/ {BUFFERS_DIVISOR} of the rest, at most {BUFFERS_MAX_BYTES // MB} MB",
        "postgres.effective_cache_size": f"memory / {CACHE_DIVISOR}",
        "postgres.work_mem": f"memory / {WORK_DIVISOR} / ({connections} connections + "
        f"{workers.parallel} parallel "
        f"workers), {_range(WORK_MIN_BYTES, WORK_MAX_BYTES)}",
        "postgres.maintenance_work_mem": f"memory / {MAINTENANCE_DIVISOR}, "
        f"{_range(MAINTENANCE_MIN_BYTES, MAINTENANCE_MAX_BYTES)}",
        "postgres.autovacuum_work_mem": f"memory / {AUTOVACUUM_DIVISOR} / {workers.autovacuum} "
        f"workers, "
        f"{_range(AUTOVACUUM_MIN_BYTES, AUTOVACUUM_MAX_BYTES)}",
        "postgres.max_wal_size": f"memory / {MAX_WAL_DIVISOR}, "
        f"{_range(MAX_WAL_MIN_BYTES, MAX_WAL_MAX_BYTES)}",
    }


def _own_settings(connections: int, workers: Workers, basis: Basis) -> dict[str, str]:
    """Lines of the drop-in, on whichever host it is."""
    config = basis.config
    return (
        _settings(connections, workers, basis)
        | backup.archiving(config, basis.paths)
        | _named(basis)
        | (_apart(config) if config.part.apart else {})
    )


def _named(basis: Basis) -> dict[str, str]:
    """What tells the clusters of a machine apart; the account of one that is not `postgres` may not
    write where Debian has the files with their process numbers."""
    own = {"cluster_name": basis.config.name}
    if not basis.accounts.site:
        return own
    return own | {"external_pid_file": f"{basis.paths.run_postgres}/postgres.pid"}


def _settings(connections: int, workers: Workers, basis: Basis) -> dict[str, str]:
    """Lines of the drop-in. wal_buffers stays at its default: a 32nd of shared_buffers, up to 16
    MB."""
    paths, sizes = basis.paths, _sizes(basis.scale.memory, connections, workers)
    conf = f"{paths.conf}/postgres"
    settings: dict[str, object] = {
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": paths.run_postgres,
        "unix_socket_permissions": "0770",
        "hba_file": f"{conf}/pg_hba.conf",
        "ident_file": f"{conf}/pg_ident.conf",
        "ssl": "off",
        "password_encryption": "scram-sha-256",
        "max_connections": connections,
        "superuser_reserved_connections": SUPERUSER_RESERVED,
        **{name: f"{value // MB}MB" for name, value in sizes.items()},
        "max_worker_processes": workers.processes,
        "max_parallel_workers": workers.parallel,
        "max_parallel_workers_per_gather": workers.gather,
        "autovacuum_max_workers": workers.autovacuum,
        **FIXED,
    }
    return {name: str(value) for name, value in settings.items()}


def _apart(config: StackConfig) -> dict[str, str]:
    """Lines that differ where the clients are on other hosts: TCP with TLS.

    A name may stand for a loopback address on its own host, so with a name PostgreSQL listens on
    all addresses.
    """
    try:
        address = str(ipaddress.ip_address(str(config.database_host)))
    except ValueError:
        address = "*"
    return {
        "listen_addresses": address,
        "ssl": "on",
        "ssl_min_protocol_version": "TLSv1.3",
        "ssl_cert_file": f"{layout.DATABASE}/server.pem",
        "ssl_key_file": f"{layout.DATABASE}/server.key",
        **KEEPALIVE,
    }
