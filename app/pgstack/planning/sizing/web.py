"""mod_wsgi's daemon processes and Apache's event MPM."""

from __future__ import annotations

from dataclasses import dataclass

from pgstack.planning import layout
from pgstack.planning.apache import Apache, Web
from pgstack.planning.invariants import THREADS_DIVISOR
from pgstack.planning.lanes import Lane, all_requests
from pgstack.planning.sizing import timeouts
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import KB, MB
from pgstack.planning.sizing.timeouts import seconds

MIN_PROCESSES = 1
"""processes: two on one core push each other's data out of its caches and are 0.87 times as fast
(docs/results.md). While the only one is replaced, requests wait for its successor."""
THREADS, MIN_REQUESTS = 4, 8
"""threads: cover the waits for the database; more only lengthen the queue inside a process. On one
core 8 are as fast as 4 (docs/results.md), and leave threads for others when some wait for a lock or
a slow query."""
SHARE_DIVISOR = 4
"""processes beyond the minimum may take this part of memory; PostgreSQL and the page cache live
from the rest"""
PROCESS_BYTES, THREAD_BYTES = 68 * MB, MB
"""a process of the demo after load: 57.5 MB with four threads, 0.7 MB for each more; x 1.25
(docs/measurements.md)"""

WORKERS_PER_REQUEST = 4
"""Apache workers per request at work: the one it came with, two that queue for a thread, and one
for a static file. mod_wsgi-express takes 1.5, without static files and queue in mind."""
STEP_WORKERS, STEP_BYTES = 32, 6 * MB
"""workers come in steps. A worker that has read a slow header over TLS takes 123 kB and 20 kB of
the kernel's (stack and page tables), x 1.25 (docs/measurements.md). There are as many connections
as workers (AsyncRequestWorkerFactor)."""
CHILD_STEPS = 128
"""steps in a child: 4,096 workers. When all workers of one child are busy, it closes kept
connections under a request, whatever the other children do. In three rounds of 4 s 256 users lost
72 of them with children of 32, none with two large ones (docs/results.md)."""
MIN_CHILDREN = 2
"""children: the second one serves when the first dies"""
CROWD_STEPS = 192
"""steps for clients that hold a worker while they send a header slowly, or nothing: 3,072 of them
fit into one child of two, whichever of the two takes them; 300 slow bodies, 600 slow headers and
2,000 idle connections are 2,900"""
CROWD_DIVISOR = 16
"""part of memory that may go to workers for a crowd"""
IDLE_BYTES = 42 * KB
"""a worker that has done nothing yet: 13 kB, and 20 kB of the kernel's, x 1.25. A host has a second
Apache while one takes over from the other."""
LISTEN_BACKLOG = 4096
"""connections that wait for Apache, those that have sent nothing too where the kernel keeps them
(TCP_DEFER_ACCEPT). The kernel's own limit is as high since Linux 5.4 (net.core.somaxconn)."""
FILES_PER_WORKER, SPARE_FILES = 3, 64
"""open files: a connection, one to a daemon or a body; a child's own: logs, event queues,
listeners"""
SPARE_TASKS = 4096
"""threads of the daemons, and what a project starts: about what systemd lets a unit have that says
nothing"""
FIRST_BYTES = 4 * MB
"""Apache's first process: 2.5 MB x 1.25, rounded up (docs/measurements.md)"""
STREAMS_DIVISOR = 2
"""part of the requests at a time whose bodies may come in while they hold a thread: the other
threads stay free"""
CONNECTIONS_PER_WORKER = 2
"""connections to the daemons per Apache worker: its own, and one of a worker of HTTP/2
(H2MaxWorkers)"""
KEEP_ALIVE_SECONDS = 5
"""Apache's default; the event MPM keeps idle connections without a worker"""


def web(basis: Basis) -> tuple[Web, Reasons]:
    """One process per core: a process saturates one core (the GIL). Lanes are not in it."""
    config, scale = basis.config, basis.scale
    processes = config.processes or max(MIN_PROCESSES, scale.cores)
    threads = config.threads or max(THREADS, -(-MIN_REQUESTS // processes))
    timeout = config.request_timeout
    settings, wsgi, python_path = layout.entry(config, basis.paths)
    of_lanes = sum(lane.processes * lane.threads for lane in config.lanes)
    workers = _workers(processes * threads + of_lanes, scale.memory, _room(basis))
    reasons = {
        "web.processes": f"STACK_PROCESSES={processes}"
        if config.processes
        else f"one per core, {scale.text}{scale.because}",
        "web.threads": f"STACK_THREADS={threads}"
        if config.threads
        else f"cover the waits for the database; at least {MIN_REQUESTS} requests at a time",
        "web.queue_timeout": timeouts.text(timeout, timeouts.WAIT),
    }
    planned = Web(
        processes=processes,
        threads=threads,
        hosts=config.web_hosts,
        request_timeout=timeout,
        queue_timeout=seconds(timeout, timeouts.WAIT),
        body_timeout=timeouts.BODY_SECONDS,
        patience=seconds(timeout, timeouts.PATIENCE),
        socket_timeout=seconds(timeout, timeouts.REQUEST),
        deadlock_timeout=seconds(timeout, timeouts.REQUEST),
        watchdog_timeout=seconds(timeout, timeouts.REQUEST) + timeouts.WATCHDOG_SECONDS,
        graceful_timeout=seconds(timeout, timeouts.DRAIN),
        shutdown_timeout=seconds(timeout, timeouts.SHUTDOWN),
        listen_backlog=CONNECTIONS_PER_WORKER * workers.children * workers.per_child,
        memory_per_process=process_bytes(basis, threads),
        settings=settings,
        wsgi=wsgi,
        python_path=python_path,
    )
    return planned, reasons


def process_bytes(basis: Basis, threads: int) -> int:
    """Bytes of a web process with so many threads."""
    return basis.config.process_memory or PROCESS_BYTES + threads * THREAD_BYTES


@dataclass(frozen=True)
class Workers:
    """Apache's workers: `working` steps for the requests at a time, `waiting` ones for slow
    clients."""

    working: int
    waiting: int

    @property
    def children(self) -> int:
        """Processes; all have as many workers."""
        return max(MIN_CHILDREN, -(-(self.working + self.waiting) // CHILD_STEPS))

    @property
    def per_child(self) -> int:
        """Workers (threads) of one child process of Apache."""
        return -(-(self.working + self.waiting) * STEP_WORKERS // self.children)

    @property
    def slow_per_child(self) -> int:
        """Those of them that no request at work needs."""
        return self.waiting * STEP_WORKERS // self.children


def _crowd_bytes(memory: int) -> int:
    """Bytes for workers that wait with clients. It grows evenly with memory, and workers only when
    a step fits in."""
    return min(memory // CROWD_DIVISOR, CROWD_STEPS * STEP_BYTES)


def _room(basis: Basis) -> int | None:
    """Steps of workers that open files and threads leave room for; None without a limit."""
    hardware = basis.hardware
    steps = []
    if hardware.open_files is not None:
        # Of MIN_CHILDREN: with more, each is full, and the invariant says whether its files
        # suffice.
        child = (hardware.open_files - SPARE_FILES) // (FILES_PER_WORKER * STEP_WORKERS)
        steps.append(MIN_CHILDREN * child)
    if hardware.max_threads is not None:
        apaches = THREADS_DIVISOR * basis.target.apaches
        steps.append(hardware.max_threads // (apaches * STEP_WORKERS))
    return min(steps, default=None)


def _workers(requests: int, memory: int, room: int | None) -> Workers:
    """Workers for this many requests at a time, and as many for slow clients as memory allows and
    there is room for."""
    working = -(-WORKERS_PER_REQUEST * requests // STEP_WORKERS)
    waiting = _crowd_bytes(memory) // STEP_BYTES
    if room is not None:
        waiting = max(0, min(waiting, room - working))
    return Workers(working, max(waiting, MIN_CHILDREN - working))


def apache(basis: Basis, part: Web, lanes: tuple[Lane, ...]) -> tuple[Apache, Reasons]:
    """No upper limit: a worker costs little, and the memory of the children is part of the plan."""
    requests = all_requests(part, lanes)
    workers = _workers(requests, basis.scale.memory, _room(basis))
    children, threads = workers.children, workers.per_child
    total = children * threads
    planned = Apache(
        # All children start at once and none is taken away: no client meets one that ends. One that
        # died is replaced whatever is spare.
        threads_per_child=threads,
        server_limit=children,
        start_servers=children,
        max_request_workers=total,
        min_spare_threads=1,
        max_spare_threads=total,
        slow_clients=workers.slow_per_child,
        http2_workers=threads - workers.slow_per_child,
        listen_backlog=LISTEN_BACKLOG,
        file_descriptors=FILES_PER_WORKER * threads + SPARE_FILES,
        tasks=CONNECTIONS_PER_WORKER * total + SPARE_TASKS,
        instances=basis.target.apaches,
        timeout=seconds(part.request_timeout, timeouts.CLIENT),
        keep_alive_timeout=KEEP_ALIVE_SECONDS,
        graceful_shutdown_timeout=seconds(part.request_timeout, timeouts.REQUEST),
        streams=max(1, part.requests // STREAMS_DIVISOR),
        modules_directory="/usr/lib/apache2/modules",
        mime_types="/etc/mime.types",
    )
    return planned, {
        "apache.max_request_workers": f"{WORKERS_PER_REQUEST} x {requests} requests at a "
        f"time, and as many for slow clients as 1/{CROWD_DIVISOR} of memory holds and open files "
        f"and threads allow, up to {CROWD_STEPS * STEP_WORKERS}; in {children} children of "
        f"{threads} threads",
        "apache.slow_clients": "each child has workers for so many that send a header slowly, or "
        "nothing",
        "web.listen_backlog": f"{CONNECTIONS_PER_WORKER} x {total} workers of Apache, each with a "
        f"request",
    }


def web_bytes(part: Web) -> int:
    """Bytes of the daemon processes of one host."""
    return part.processes * part.memory_per_process


def apache_bytes(requests: int, memory: int, takes_over: bool) -> int:
    """Bytes of Apache's processes with all children running; with those of a second one that
    `takes_over`."""
    most = _workers(requests, memory, None)
    second = FIRST_BYTES + most.children * most.per_child * IDLE_BYTES if takes_over else 0
    return (
        FIRST_BYTES
        + most.working * STEP_BYTES
        + max(_crowd_bytes(memory), most.waiting * STEP_BYTES)
        + second
    )
