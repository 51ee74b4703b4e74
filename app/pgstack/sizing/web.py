"""mod_wsgi's daemon processes and Apache's event MPM."""

from __future__ import annotations

from pgstack import layout
from pgstack.config import StackConfig
from pgstack.plan import Apache, Paths, Web
from pgstack.sizing import timeouts
from pgstack.sizing.scale import MB, Scale
from pgstack.sizing.timeouts import seconds

MIN_PROCESSES = 1
"""processes: two on one core push each other's data out of its caches and are 0.87 times as fast (docs/results.md).
While the only one is replaced, requests wait for its successor."""
THREADS, MIN_REQUESTS = 4, 8
"""threads: cover the waits for the database; more only lengthen the queue inside a process. On one core 8 are as fast
as 4 (docs/results.md), and leave threads for others when some wait for a lock or a slow query."""
SHARE_DIVISOR = 4
"""processes beyond the minimum may take this part of memory; PostgreSQL and the page cache live from the rest"""
PROCESS_BYTES, THREAD_BYTES = 68 * MB, MB
"""a process of the demo after load: 57.5 MB with four threads, 0.7 MB for each more; x 1.25 (docs/measurements.md)"""

WORKERS_PER_REQUEST = 4
"""Apache workers per request at work: the one it came with, two that queue for a thread, and one for a static file or a
slow client. mod_wsgi-express takes 1.5, without static files and queue in mind."""
STEP_WORKERS, STEP_BYTES = 32, 12 * MB
"""workers come in steps; a step's memory is that of a child of 32 with 95 connections, TLS on: 9.5 MB x 1.25. Steps in
one child take less, 18 MB for eight of them with 200 users (docs/measurements.md)."""
CHILD_STEPS = 16
"""steps in a child: 512 workers. When all workers of one child are busy, it closes kept connections under a request,
whatever the other children do. In three rounds of 4 s 256 users lost 72 of them with children of 32, none with two
large ones (docs/results.md)."""
MIN_CHILDREN = 2
"""children: the second one serves when the first dies"""
CROWD_STEPS = 16
"""workers that hold 512 clients who all ask at once. With 64 workers 256 such clients made Apache close kept
connections under a request: 517 times beside 3,824 answers."""
CROWD_DIVISOR = 16
"""part of memory that may go to workers for a crowd"""
FIRST_BYTES = 4 * MB
"""Apache's first process: 2.5 MB x 1.25, rounded up (docs/measurements.md)"""
STREAMS_DIVISOR = 2
"""part of the requests at a time whose bodies may come in while they hold a thread: the other threads stay free"""
CONNECTIONS_PER_WORKER = 3
"""connections to the daemons per Apache worker: its own, and up to 1.5 of the workers of HTTP/2 (H2MaxWorkers)"""
KEEP_ALIVE_SECONDS = 5
"""Apache's default; the event MPM keeps idle connections without a worker"""


def web(config: StackConfig, scale: Scale, why: dict[str, str], place: Paths) -> Web:
    """One process per core: a process saturates one core (the GIL)."""
    processes = config.processes or max(MIN_PROCESSES, scale.cores)
    threads = config.threads or max(THREADS, -(-MIN_REQUESTS // processes))
    timeout = config.request_timeout
    why["web.processes"] = (
        f"STACK_PROCESSES={processes}" if config.processes
        else f"one per core, {scale.text}{scale.because}"
    )  # fmt: skip
    why["web.threads"] = (
        f"STACK_THREADS={threads}" if config.threads
        else f"cover the waits for the database; at least {MIN_REQUESTS} requests at a time"
    )  # fmt: skip
    why["web.queue_timeout"] = timeouts.text(timeout, timeouts.WAIT)
    settings, wsgi, python_path = layout.entry(config, place)
    return Web(
        processes=processes, threads=threads, hosts=config.web_hosts, request_timeout=timeout,
        queue_timeout=seconds(timeout, timeouts.WAIT), body_timeout=timeouts.BODY_SECONDS,
        patience=seconds(timeout, timeouts.PATIENCE),
        socket_timeout=seconds(timeout, timeouts.REQUEST), deadlock_timeout=seconds(timeout, timeouts.REQUEST),
        watchdog_timeout=seconds(timeout, timeouts.REQUEST) + timeouts.WATCHDOG_SECONDS,
        graceful_timeout=seconds(timeout, timeouts.DRAIN),
        shutdown_timeout=seconds(timeout, timeouts.SHUTDOWN),
        listen_backlog=CONNECTIONS_PER_WORKER * _workers(_steps(processes * threads, scale.memory)),
        memory_per_process=config.process_memory or PROCESS_BYTES + threads * THREAD_BYTES,
        settings=settings, wsgi=wsgi, python_path=python_path,
    )  # fmt: skip


def _crowd_bytes(memory: int) -> int:
    """Bytes for workers that wait with clients. It grows evenly with memory, and workers only when a step fits in."""
    return min(memory // CROWD_DIVISOR, CROWD_STEPS * STEP_BYTES)


def _steps(requests: int, memory: int) -> int:
    """Steps of Apache's workers for this many requests at a time; one for each child at least."""
    working = -(-WORKERS_PER_REQUEST * requests // STEP_WORKERS)
    return max(MIN_CHILDREN, working, _crowd_bytes(memory) // STEP_BYTES)


def _children(steps: int) -> int:
    return max(MIN_CHILDREN, -(-steps // CHILD_STEPS))


def _workers(steps: int) -> int:
    """Workers in so many steps; all children have as many."""
    children = _children(steps)
    return -(-steps * STEP_WORKERS // children) * children


def apache(part: Web, memory: int, why: dict[str, str]) -> Apache:
    """No upper limit: a worker costs little, and the memory of the children is part of the plan."""
    steps = _steps(part.requests, memory)
    children, workers = _children(steps), _workers(steps)
    why["apache.max_request_workers"] = (
        f"{WORKERS_PER_REQUEST} x {part.requests} requests at a time, or as many as 1/{CROWD_DIVISOR} of memory holds "
        f"up to {CROWD_STEPS * STEP_WORKERS}; in {children} children of {workers // children} threads"
    )
    why["web.listen_backlog"] = f"{CONNECTIONS_PER_WORKER} x {workers} workers of Apache, each waiting for a thread"
    return Apache(
        # All children start at once and none is taken away: no client meets one that ends. One that died is replaced
        # whatever is spare.
        threads_per_child=workers // children, server_limit=children, start_servers=children,
        max_request_workers=workers, min_spare_threads=1, max_spare_threads=workers,
        timeout=seconds(part.request_timeout, timeouts.CLIENT), keep_alive_timeout=KEEP_ALIVE_SECONDS,
        graceful_shutdown_timeout=seconds(part.request_timeout, timeouts.REQUEST),
        streams=max(1, part.requests // STREAMS_DIVISOR),
        modules_directory="/usr/lib/apache2/modules", mime_types="/etc/mime.types",
    )  # fmt: skip


def web_bytes(part: Web) -> int:
    """Bytes of the daemon processes of one host."""
    return part.processes * part.memory_per_process


def apache_bytes(part: Apache, memory: int) -> int:
    """Bytes of Apache's processes with all children running."""
    steps = -(-part.max_request_workers // STEP_WORKERS)
    return FIRST_BYTES + max(steps * STEP_BYTES, _crowd_bytes(memory))
