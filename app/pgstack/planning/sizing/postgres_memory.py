"""How PostgreSQL divides its part of the memory, and how many processes work for it. "Docs" is its
manual, chapter Server Configuration."""

from __future__ import annotations

from dataclasses import dataclass

from pgstack.planning.sizing.basis import Reasons
from pgstack.planning.sizing.scale import GB, MB, clamp

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
class WorkerProcesses:
    """Background processes that work for queries and autovacuum."""

    processes: int
    parallel: int
    gather: int
    autovacuum: int


def worker_processes(cores: int) -> WorkerProcesses:
    """Background workers for this many cores."""
    return WorkerProcesses(
        processes=max(MIN_WORKER_PROCESSES, cores),
        parallel=cores // PARALLEL_DIVISOR,
        gather=min(GATHER_MAX, cores // GATHER_DIVISOR),
        autovacuum=next(count for least, count in AUTOVACUUM_WORKERS if cores >= least),
    )


def shares(memory: int, connections: int, workers: WorkerProcesses) -> dict[str, int]:
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


def sizes(memory: int, connections: int, workers: WorkerProcesses) -> dict[str, int]:
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


def reasons(connections: int, workers: WorkerProcesses) -> Reasons:
    """How the sizes come about: setting → arithmetic."""
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


def _range(low: int, high: int) -> str:
    return f"{low // MB} to {high // MB} MB"
