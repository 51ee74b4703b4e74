"""The inequalities that make a plan sound, once: used by the planner, the system checks and
verify."""

from __future__ import annotations

from collections.abc import Iterator

from pgstack.errors import UnsoundPlan
from pgstack.planning import balancer_order, cluster_order, timeout_order
from pgstack.planning.grants import fits
from pgstack.planning.inequalities import Invariant, at_most
from pgstack.planning.plan import Plan

COMMAND_CLIENTS_MIN = 10
"""client connections at PgBouncer that must be left for probes and commands, however it was
sized"""

SOCKET_PATH_BYTES = 107
"""longest Unix socket path: sun_path in sys/un.h holds 108 bytes with its end"""

THREADS_DIVISOR = 2
"""part of the threads that there may be that Apache's workers may take: the rest is for as many
workers of HTTP/2 at most, web processes, PostgreSQL's backends and whatever else runs there"""

OPTIONAL = ("lanes", "workers", "valkey", "metrics", "cluster", "balancing")
"""shares of memory that are told only where there is something"""

MB = 1024**2


def check(plan: Plan) -> list[Invariant]:
    """Every inequality of `plan`, holding or not."""
    return [
        *_clients(plan),
        *(_granted(plan) if plan.external else _backends(plan)),
        *_memory(plan),
        *_descriptors(plan),
        *_valkey(plan),
        *_threads(plan),
        *timeout_order.check(timeout_order.planned(plan)),
        *cluster_order.check(plan),
        *balancer_order.check(plan),
        *_sockets(plan),
    ]


def require(plan: Plan) -> None:
    """Raise UnsoundPlan with the arithmetic of each broken inequality."""
    broken = [rule for rule in check(plan) if not rule.holds]
    if broken:
        lines = [f"unsound plan: {rule.name}: {rule.arithmetic}. {rule.remedy}" for rule in broken]
        raise UnsoundPlan("\n".join(lines))


def _clients(plan: Plan) -> Iterator[Invariant]:
    web, apache, pooler, tasks = plan.web, plan.apache, plan.pooler, plan.background
    slots = plan.requests * web.hosts + (tasks.clients if tasks else 0)
    aliases = 2 if plan.replicas else 1
    yield at_most(
        "clients of the pooler",
        slots * aliases + COMMAND_CLIENTS_MIN,
        (f"{aliases} aliases x (" if plan.replicas else "")
        + f"{_threads_text(plan)} x {web.hosts} web hosts"
        + (f" + {tasks.clients} of workers" if tasks else "")
        + (")" if plan.replicas else "")
        + f" + {COMMAND_CLIENTS_MIN} for commands",
        pooler.max_client_conn,
        "max_client_conn",
        f"Lower STACK_PROCESSES or STACK_THREADS{_or_lanes(plan)}.",
    )
    slow = apache.slow_clients * apache.server_limit
    yield at_most(
        "workers of Apache",
        plan.requests + slow,
        f"{plan.requests} requests at a time + {apache.slow_clients} slow clients x "
        f"{apache.server_limit} children",
        apache.max_request_workers,
        "MaxRequestWorkers",
        "Lower STACK_PROCESSES or STACK_THREADS.",
    )


def _threads_text(plan: Plan) -> str:
    main = f"{plan.web.processes} processes x {plan.web.threads} threads"
    lanes = [f"{lane.processes} x {lane.threads} of lane {lane.name}" for lane in plan.lanes]
    return f"({' + '.join([main, *lanes])})" if lanes else main


def _or_lanes(plan: Plan) -> str:
    """The end of a remedy."""
    return ", or ask for less in STACK_LANES" if plan.lanes else ""


def _granted(plan: Plan) -> Iterator[Invariant]:
    """Of a server that is not the stack's, once it was asked."""
    yield from _pools(plan)
    grants = plan.external.grants if plan.external else None
    pooled, direct = plan.pooled_connections, plan.postgres.direct_connections + _held(plan)
    for fit in fits(grants, pooled, direct) if grants else ():
        past = f" + {direct} past it" if fit.needed > pooled else ""
        yield at_most(
            fit.name,
            fit.needed,
            f"{pooled} through PgBouncer{past}",
            fit.granted,
            fit.arithmetic,
            f"Lower STACK_POOL_SIZE{_or_lanes(plan)}, or have the limit raised.",
        )


def _held(plan: Plan) -> int:
    """Connections of the exporter."""
    return plan.metrics.connections if plan.metrics else 0


def _pools(plan: Plan) -> Iterator[Invariant]:
    pooler, tasks = plan.pooler, plan.background
    yield at_most(
        "pool within its limit",
        pooler.default_pool_size + pooler.reserve_pool_size,
        f"{pooler.default_pool_size} pool + {pooler.reserve_pool_size} reserve",
        pooler.max_db_connections,
        "max_db_connections",
        "Lower STACK_POOL_SIZE.",
    )
    if tasks:
        yield at_most(
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
    held, elected = _held(plan), plan.cluster.connections if plan.cluster else 0
    free = (
        postgres.max_connections
        - postgres.superuser_reserved_connections
        - postgres.direct_connections
        - held
        - elected
    )
    backends = [f"{pooler.max_db_connections}"]
    backends += [f"{lane.pool_size} of lane {lane.name}" for lane in plan.lanes]
    backends += [f"{plan.replicas.pool_size} of reads"] if plan.replicas else []
    backends += [f"{tasks.max_db_connections} of workers"] if tasks else []
    each = f"({' + '.join(backends)})" if len(backends) > 1 else backends[0]
    yield at_most(
        "backends of PostgreSQL",
        plan.pooled_connections,
        f"{each} max_db_connections x {pooler.instances} instances of PgBouncer",
        free,
        f"{postgres.max_connections} max_connections - {postgres.superuser_reserved_connections} "
        f"superuser "
        f"- {postgres.direct_connections} direct"
        + (f" - {held} of the exporter" if held else "")
        + (f" - {elected} of Patroni" if elected else ""),
        f"Lower STACK_POOL_SIZE{_or_lanes(plan)}.",
    )


def memory_needed(plan: Plan) -> int:
    """MB that the plan's shares add up to, each rounded up."""
    return sum(-(-size // MB) for size in plan.memory.shares().values())


def _memory(plan: Plan) -> Iterator[Invariant]:
    shares = {name: -(-size // MB) for name, size in plan.memory.shares().items()}
    text = " + ".join(
        f"{size} {name}" for name, size in shares.items() if size or name not in OPTIONAL
    )
    yield at_most(
        "memory in MB",
        memory_needed(plan),
        text,
        plan.memory.total // MB,
        "memory",
        "Raise STACK_MEMORY, or lower STACK_PROCESSES or STACK_POOL_SIZE"
        + _or_lanes(plan)
        + (", or ask for fewer workers or entries of the schedule" if plan.background else "")
        + (", or lower STACK_VALKEY_MEMORY." if plan.valkey else "."),
    )


def _descriptors(plan: Plan) -> Iterator[Invariant]:
    if plan.open_files is not None:
        text, lower = "hard limit of open files", "Raise it (ulimit -Hn), or lower STACK_THREADS."
        pooler, apache = plan.pooler, plan.apache
        yield at_most(
            "file descriptors of the pooler",
            pooler.file_descriptors,
            f"{pooler.max_client_conn} clients + "
            f"{pooler.max_db_connections + plan.other_backends} backends + spare",
            plan.open_files,
            text,
            lower,
        )
        yield at_most(
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
        yield at_most(
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
        yield at_most(
            "threads of Apache",
            apache.instances * apache.max_request_workers,
            f"{apache.instances} x {apache.max_request_workers} workers",
            plan.max_threads // THREADS_DIVISOR,
            f"1/{THREADS_DIVISOR} of {plan.max_threads} threads that there may be",
            "Raise the least of pids.max, ulimit -u and kernel.threads-max, or lower "
            "STACK_PROCESSES or STACK_THREADS.",
        )


def _sockets(plan: Plan) -> Iterator[Invariant]:
    longest = max(
        f"{plan.paths.run_postgres}/.s.PGSQL.{plan.postgres.port}.lock",
        f"{plan.paths.run_pooler}/.s.PGSQL.{plan.pooler.port}",
        f"{plan.paths.run_apache}/wsgi.4194304.100.1.sock",
        *([plan.valkey.socket] if plan.valkey else []),
        *([plan.metrics.socket] if plan.metrics else []),
        key=lambda path: len(path.encode()),
    )
    yield at_most(
        "length of a socket's path",
        len(longest.encode()),
        longest,
        SOCKET_PATH_BYTES,
        "the kernel's limit",
        "Set STACK_DIR to a shorter path.",
    )
