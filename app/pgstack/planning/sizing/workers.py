"""The project's own commands beside the web, those that run as long as the stack does and those
that run at set times, and the pool that they share: never the pages'."""

from __future__ import annotations

from pathlib import PurePath

from pgstack.planning.background import Background, Entry, Worker
from pgstack.planning.schedule_input import ScheduleInput
from pgstack.planning.sizing import pooler, timeouts
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB
from pgstack.planning.sizing.timeouts import seconds
from pgstack.planning.worker_input import WorkerInput

DATABASE = "app_background"
RESERVE_DIVISOR, RESERVE_MIN = 4, 1
"""reserve of the pool: for commands beside workers that hold all of it"""
LIMIT_SECONDS = 3600
"""that a run of an entry may take when nothing else was said: reports and clean-ups of large tables
take minutes, and what hangs is seen within the day"""
WORKER_BYTES, RUN_BYTES = 200 * MB, 128 * MB
"""of a worker and of a run when nothing was said: they are limits, and a project with some packages
takes half of them for itself. All runs may be due at the same time"""
SUPERVISION_BYTES = 128 * MB
"""that a container has beside what is planned for workers and runs: supervisord and the scheduler,
about 30 MB each, and its /tmp, which is memory"""
ENDS_BY_INTERRUPT = frozenset({"run_huey", "huey_consumer", "huey_consumer.py"})
"""commands that finish what they do at SIGINT, and drop it at SIGTERM"""


def workers(basis: Basis) -> tuple[Worker, ...]:
    """The workers that were asked for."""
    return tuple(_worker(asked, basis) for asked in basis.config.workers)


def _worker(asked: WorkerInput, basis: Basis) -> Worker:
    return Worker(
        name=asked.name,
        command=asked.command,
        processes=asked.processes,
        threads=asked.threads,
        memory=asked.memory or basis.config.process_memory or WORKER_BYTES,
        stop_signal=asked.stop_signal or _graceful(asked.command),
        grace=asked.grace or seconds(basis.config.request_timeout, timeouts.GRACE),
    )


def listeners(basis: Basis) -> int:
    """Sessions that workers may keep at PostgreSQL, past PgBouncer: one of each process, for
    LISTEN. None where PostgreSQL is on another host, whose passwords they do not have."""
    if basis.config.part.apart:
        return 0
    return sum(asked.processes for asked in basis.config.workers)


def schedule(basis: Basis) -> tuple[Entry, ...]:
    """What was asked for to run at set times."""
    return tuple(_entry(asked, basis) for asked in basis.config.schedule)


def _entry(asked: ScheduleInput, basis: Basis) -> Entry:
    return Entry(
        name=asked.name,
        command=asked.command,
        when=asked.when.text,
        cron=asked.when.cron,
        calendar=asked.when.calendar,
        limit=asked.limit or LIMIT_SECONDS,
        memory=asked.memory or basis.config.process_memory or RUN_BYTES,
    )


def _graceful(command: tuple[str, ...]) -> str:
    names = {PurePath(word).name for word in command[:2]}
    return "INT" if names & ENDS_BY_INTERRUPT else "TERM"


def background(
    basis: Basis, workers: tuple[Worker, ...], entries: tuple[Entry, ...]
) -> tuple[Background | None, Reasons]:
    """Their pool: a backend for each that works at a time, as many as pages have at most. All
    entries may be due at the same time."""
    if not (workers or entries):
        return None, {}
    timeout, postgresql = basis.config.request_timeout, basis.postgresql
    clients = sum(worker.processes * worker.threads for worker in workers) + len(entries)
    pool = min(clients, pooler.pool_size(basis))
    reserve = max(RESERVE_MIN, pool // RESERVE_DIVISOR)
    sizes = {
        "pool_size": pool,
        pooler.reserve_word(basis): reserve,
        "max_db_connections": pool + reserve,
    }
    planned = Background(
        database=DATABASE,
        clients=clients,
        pool_size=pool,
        reserve_pool_size=reserve,
        max_db_connections=pool + reserve,
        sizes={name: str(size) for name, size in sizes.items()},
        statement_timeout=seconds(timeout, timeouts.TASK_STATEMENT),
        patience=seconds(timeout, timeouts.TASK_PATIENCE),
        settings=timeouts.of_backends(timeouts.TASK, timeout, postgresql),
        memory=workers_bytes(workers, entries) + SUPERVISION_BYTES,
    )
    parts = [
        f"{worker.processes} x {worker.memory // MB} MB for {worker.name}" for worker in workers
    ]
    parts += [f"{entry.memory // MB} MB for {entry.name}" for entry in entries]
    users = [f"{worker.processes} x {worker.threads} of {worker.name}" for worker in workers]
    users += [f"1 of {entry.name}" for entry in entries]
    return planned, {
        "background.clients": " + ".join(users),
        "background.pool_size": f"min({clients} clients, {pooler.pool_size(basis)} of the pages)",
        "background.max_db_connections": f"{pool} pool + {reserve} reserve",
        "background.statement_timeout": timeouts.text(timeout, timeouts.TASK_STATEMENT),
        "memory.workers": " + ".join(parts),
    }


def workers_bytes(workers: tuple[Worker, ...], entries: tuple[Entry, ...]) -> int:
    """Memory of all workers and scheduled commands together, in bytes."""
    return sum(worker.processes * worker.memory for worker in workers) + sum(
        entry.memory for entry in entries
    )
