"""The inequalities that make a plan sound, once: used by the planner, the system checks and
verify."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from pgstack.errors import UnsoundPlan
from pgstack.planning.grants import fits
from pgstack.planning.plan import Plan

COMMAND_CLIENTS_MIN = 10
"""client connections at PgBouncer that must be left for probes and commands, however it was
sized"""

SOCKET_PATH_BYTES = 107
"""longest Unix socket path: sun_path in sys/un.h holds 108 bytes with its end"""

THREADS_DIVISOR = 2
"""part of the threads that there may be that Apache's workers may take: the rest is for as many
workers of HTTP/2 at most, web processes, PostgreSQL's backends and whatever else runs there"""

OPTIONAL = ("workers", "valkey")
"""shares of memory that are told only where there is something"""

MB = 1024**2


@dataclass(frozen=True)
class Invariant:
    """One inequality with its numbers filled in."""

    name: str
    holds: bool
    arithmetic: str
    remedy: str


def check(plan: Plan) -> list[Invariant]:
    """Every inequality of `plan`, holding or not."""
    return [
        *_clients(plan),
        *(_granted(plan) if plan.external else _backends(plan)),
        *_memory(plan),
        *_descriptors(plan),
        *_valkey(plan),
        *_threads(plan),
        *_timeouts(plan),
        *_sockets(plan),
    ]


def require(plan: Plan) -> None:
    """Raise UnsoundPlan with the arithmetic of each broken inequality."""
    broken = [rule for rule in check(plan) if not rule.holds]
    if broken:
        lines = [f"unsound plan: {rule.name}: {rule.arithmetic}. {rule.remedy}" for rule in broken]
        raise UnsoundPlan("\n".join(lines))


def _at_most(
    name: str, left: int, left_text: str, right: int, right_text: str, remedy: str
) -> Invariant:
    sign = "≤" if left <= right else ">"
    return Invariant(
        name, left <= right, f"{left_text} = {left} {sign} {right} = {right_text}", remedy
    )


def _clients(plan: Plan) -> Iterator[Invariant]:
    web, apache, pooler, tasks = plan.web, plan.apache, plan.pooler, plan.background
    yield _at_most(
        "clients of the pooler",
        web.requests * web.hosts + (tasks.clients if tasks else 0) + COMMAND_CLIENTS_MIN,
        f"{web.processes} processes x {web.threads} threads x {web.hosts} web hosts + "
        + (f"{tasks.clients} of workers + " if tasks else "")
        + f"{COMMAND_CLIENTS_MIN} for commands",
        pooler.max_client_conn,
        "max_client_conn",
        "Lower STACK_PROCESSES or STACK_THREADS.",
    )
    slow = apache.slow_clients * apache.server_limit
    yield _at_most(
        "workers of Apache",
        web.requests + slow,
        f"{web.requests} requests at a time + {apache.slow_clients} slow clients x "
        f"{apache.server_limit} children",
        apache.max_request_workers,
        "MaxRequestWorkers",
        "Lower STACK_PROCESSES or STACK_THREADS.",
    )


def _granted(plan: Plan) -> Iterator[Invariant]:
    """Of a server that is not the stack's, once it was asked."""
    yield from _pools(plan)
    grants = plan.external.grants if plan.external else None
    pooled, direct = plan.pooled_connections, plan.postgres.direct_connections
    for fit in fits(grants, pooled, direct) if grants else ():
        past = f" + {direct} past it" if fit.needed > pooled else ""
        yield _at_most(
            fit.name,
            fit.needed,
            f"{pooled} through PgBouncer{past}",
            fit.granted,
            fit.arithmetic,
            "Lower STACK_POOL_SIZE, or have the limit raised.",
        )


def _pools(plan: Plan) -> Iterator[Invariant]:
    pooler, tasks = plan.pooler, plan.background
    yield _at_most(
        "pool within its limit",
        pooler.default_pool_size + pooler.reserve_pool_size,
        f"{pooler.default_pool_size} pool + {pooler.reserve_pool_size} reserve",
        pooler.max_db_connections,
        "max_db_connections",
        "Lower STACK_POOL_SIZE.",
    )
    if tasks:
        yield _at_most(
            "pool of workers within its limit",
            tasks.pool_size + tasks.reserve_pool_size,
            f"{tasks.pool_size} pool + {tasks.reserve_pool_size} reserve",
            tasks.max_db_connections,
            "max_db_connections",
            "Lower the processes and threads in STACK_WORKERS.",
        )


def _backends(plan: Plan) -> Iterator[Invariant]:
    yield from _pools(plan)
    pooler, postgres, tasks = plan.pooler, plan.postgres, plan.background
    free = (
        postgres.max_connections
        - postgres.superuser_reserved_connections
        - postgres.direct_connections
    )
    backends = f"{pooler.max_db_connections}"
    if tasks:
        backends = f"({backends} + {tasks.max_db_connections} of workers)"
    yield _at_most(
        "backends of PostgreSQL",
        plan.pooled_connections,
        f"{backends} max_db_connections x {pooler.instances} instances of PgBouncer",
        free,
        f"{postgres.max_connections} max_connections - {postgres.superuser_reserved_connections} "
        f"superuser "
        f"- {postgres.direct_connections} direct",
        "Lower STACK_POOL_SIZE.",
    )


def memory_needed(plan: Plan) -> int:
    """MB that the plan's shares add up to, each rounded up."""
    return sum(-(-size // MB) for size in plan.memory.shares().values())


def _memory(plan: Plan) -> Iterator[Invariant]:
    shares = {name: -(-size // MB) for name, size in plan.memory.shares().items()}
    text = " + ".join(
        f"{size} {name}" for name, size in shares.items() if size or name not in OPTIONAL
    )
    yield _at_most(
        "memory in MB",
        memory_needed(plan),
        text,
        plan.memory.total // MB,
        "memory",
        "Raise STACK_MEMORY, or lower STACK_PROCESSES or STACK_POOL_SIZE"
        + (", or ask for fewer workers or entries of the schedule" if plan.background else "")
        + (", or lower STACK_VALKEY_MEMORY." if plan.valkey else "."),
    )


def _descriptors(plan: Plan) -> Iterator[Invariant]:
    if plan.open_files is not None:
        text, lower = "hard limit of open files", "Raise it (ulimit -Hn), or lower STACK_THREADS."
        pooler, apache = plan.pooler, plan.apache
        tasks = plan.background.max_db_connections if plan.background else 0
        yield _at_most(
            "file descriptors of the pooler",
            pooler.file_descriptors,
            f"{pooler.max_client_conn} clients + {pooler.max_db_connections + tasks} backends "
            "+ spare",
            plan.open_files,
            text,
            lower,
        )
        yield _at_most(
            "file descriptors of Apache",
            apache.file_descriptors,
            f"those of {apache.threads_per_child} workers of a child + spare",
            plan.open_files,
            text,
            lower,
        )


def _valkey(plan: Plan) -> Iterator[Invariant]:
    part = plan.valkey
    if part is not None and plan.open_files is not None:
        yield _at_most(
            "file descriptors of Valkey",
            part.file_descriptors,
            f"{part.maxclients} clients + spare",
            plan.open_files,
            "hard limit of open files",
            "Raise it (ulimit -Hn), or lower STACK_THREADS.",
        )


def _threads(plan: Plan) -> Iterator[Invariant]:
    if plan.max_threads is not None:
        apache = plan.apache
        yield _at_most(
            "threads of Apache",
            apache.instances * apache.max_request_workers,
            f"{apache.instances} x {apache.max_request_workers} workers",
            plan.max_threads // THREADS_DIVISOR,
            f"1/{THREADS_DIVISOR} of {plan.max_threads} threads that there may be",
            "Raise the least of pids.max, ulimit -u and kernel.threads-max, or lower "
            "STACK_PROCESSES or STACK_THREADS.",
        )


@dataclass(frozen=True)
class Timeouts:
    """Seconds, under the names of the settings; infinite where one is off."""

    statement: float
    query: float
    query_wait: float
    pause: float
    queue: float
    shutdown: float
    graceful: float
    request: float
    socket: float
    deadlock: float
    watchdog: float
    apache: float
    task: float | None = None
    """statement_timeout of workers; None without them"""


def timeouts(values: Timeouts) -> Iterator[Invariant]:
    """Who waits longer must time out later, or nobody sees who was slow. For planned and for live
    values."""
    end = {"request-timeout": values.request, "Apache Timeout": values.apache}
    query = {"statement_timeout": values.statement, "query_timeout": values.query}
    if values.task is None:
        yield _ordered("timeouts of a query in s", {**query, **end})
    else:
        # PgBouncer has one query_timeout for all, and a task's query may take longer than a page.
        yield _ordered("timeouts of a query in s", {"statement_timeout": values.statement, **end})
        tasks = {**query, "statement_timeout of workers": values.task}
        order = ("statement_timeout", "statement_timeout of workers", "query_timeout")
        yield _ordered("timeouts of a task's query in s", {name: tasks[name] for name in order})
    yield _ordered(
        "timeouts of a wait for the pool in s", {"query_wait_timeout": values.query_wait, **end}
    )
    paused = {"forgotten PAUSE": values.pause, "query_wait_timeout": values.query_wait}
    yield _ordered("timeouts of a PAUSE in s", paused)
    restart = {"shutdown-timeout": values.shutdown, "graceful-timeout": values.graceful}
    yield _ordered("timeouts of a restart in s", {**restart, "request-timeout": values.request})
    yield _ordered(
        "timeouts of the queue in s", {"queue": values.queue, "request-timeout": values.request}
    )
    # Apache tells the client before the process ends.
    hung = {
        "socket-timeout": values.socket,
        "watchdog": values.watchdog,
        "Apache Timeout": values.apache,
    }
    yield _ordered("timeouts of a hung request in s", hung)
    held = {"deadlock-timeout": values.deadlock, "Apache Timeout": values.apache}
    yield _ordered("timeouts of a held interpreter in s", held)


def _timeouts(plan: Plan) -> Iterator[Invariant]:
    web = plan.web
    return timeouts(
        Timeouts(
            statement=plan.postgres.statement_timeout,
            query=plan.pooler.query_timeout,
            query_wait=plan.pooler.query_wait_timeout,
            pause=plan.pooler.pause_timeout,
            queue=web.queue_timeout,
            shutdown=web.shutdown_timeout,
            graceful=web.graceful_timeout,
            request=web.request_timeout,
            socket=web.socket_timeout,
            deadlock=web.deadlock_timeout,
            watchdog=web.watchdog_timeout,
            apache=plan.apache.timeout,
            task=plan.background.statement_timeout if plan.background else None,
        )
    )


def _ordered(name: str, chain: dict[str, float]) -> Invariant:
    values = list(chain.values())
    holds = all(left < right for left, right in itertools.pairwise(values))
    text = " < ".join(f"{key} {value:g}" for key, value in chain.items())
    return Invariant(name, holds, text if holds else f"not {text}", "Raise STACK_REQUEST_TIMEOUT.")


def _sockets(plan: Plan) -> Iterator[Invariant]:
    longest = max(
        f"{plan.paths.run_postgres}/.s.PGSQL.{plan.postgres.port}.lock",
        f"{plan.paths.run_pooler}/.s.PGSQL.{plan.pooler.port}",
        f"{plan.paths.run_apache}/wsgi.4194304.100.1.sock",
        *([plan.valkey.socket] if plan.valkey else []),
        key=lambda path: len(path.encode()),
    )
    yield _at_most(
        "length of a socket's path",
        len(longest.encode()),
        longest,
        SOCKET_PATH_BYTES,
        "the kernel's limit",
        "Set STACK_DIR to a shorter path.",
    )
