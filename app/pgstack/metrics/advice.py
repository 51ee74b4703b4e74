"""Which inputs to change, given what was measured and what is planned: one pure function, `advise`.

Docs: docs/advice.md. Advised numbers leave room: on average, up to BUSY_SHARE of what is planned
should be in use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pgstack.metrics.measured import Measured
from pgstack.planning.plan import Plan
from pgstack.planning.sizing.scale import MB, MEMORY_STEP
from pgstack.planning.sizing.web import CROWD_DIVISOR, CROWD_STEPS, STEP_BYTES, STEP_WORKERS

BUSY_SHARE = 0.8
"""of what is planned that may be in use on average: beyond it, requests wait longer than they are
served (queues of few servers)"""
WAIT_SECONDS = 0.005
"""a wait of a request that nobody notices"""
WAIT_SHARE = 0.1
"""of the time spent on work or queries: a shorter wait is not what makes pages slow"""
MEMORY_ROOM = 1.25
"""on top of what was measured, as in the planner (docs/measurements.md)"""
WORKERS_SHARE = 0.6
"""of Apache's workers that may be busy at the peak: at 0.8 an alert fires (docs/alerts.md)"""
REQUEST_SHARE, REQUEST_TIMES = 0.5, 2
"""of the request timeout that the 99th percentile may reach; the new timeout is so many times that
percentile"""
MOST_THREADS = 64
OF_LANES = (
    "STACK_LANES is set, and the figures here are of all lanes together",
    "size processes, threads and pools by what docs/lanes.md names for each lane",
)
"""reason and gain of the one remark that stands for advice on processes, threads and pools"""


@dataclass(frozen=True)
class Advice:
    """An input, what it is now and what it should be; without an input, only a remark."""

    input: str
    now: str
    to: str
    because: str
    """the arithmetic"""
    brings: str


def advise(figures: Measured, plan: Plan) -> list[Advice]:
    """What to change; nothing where all is well. With lanes, nothing of processes, threads and
    pools: what was measured is of all of them together."""
    if plan.lanes:
        return [
            Advice("", "", "", *OF_LANES),
            *_memory(figures, plan),
            *_workers(figures, plan),
            *_timeout(figures, plan),
        ]
    threads = list(_threads(figures, plan))
    most = int(threads[0].to) * plan.web.processes if threads else plan.web.requests
    return [
        *_processes(figures, plan),
        *threads,
        *_pool(figures, plan, most * plan.web.hosts, _coming(figures) if threads else 0.0),
        *_memory(figures, plan),
        *_workers(figures, plan),
        *_timeout(figures, plan),
    ]


def in_python(figures: Measured, plan: Plan) -> float:
    """Threads of one process that run Python or wait for its lock, which only one can have."""
    return figures.python / plan.web.processes


def _processes(figures: Measured, plan: Plan) -> Iterator[Advice]:
    busy = in_python(figures, plan)
    if busy < BUSY_SHARE:
        return
    now, cores = plan.web.processes, plan.cores
    because = (
        f"{figures.python:.1f} requests at a time run Python in {now} processes, one at a time"
    )
    to = min(cores, math.ceil(figures.python / BUSY_SHARE))
    idle = figures.cpu is None or figures.cpu < BUSY_SHARE
    if to > now and idle:
        used = "" if figures.cpu is None else f"; processors are busy to {figures.cpu:.0%}"
        because += f": {figures.python:.1f} / {BUSY_SHARE}, at most {cores} cores{used}"
        yield Advice(
            "STACK_PROCESSES", str(now), str(to), because, "pages wait less for each other"
        )
    elif not idle:
        because += f", and processors are busy to {figures.cpu:.0%}"
        yield Advice("", "", "", because, "only more cores, or pages that do less, bring more")


def _threads(figures: Measured, plan: Plan) -> Iterator[Advice]:
    wait, work = figures.each(figures.queue), figures.python + figures.pool_wait + figures.sql
    if wait < WAIT_SECONDS or figures.queue < WAIT_SHARE * work:
        return
    if in_python(figures, plan) >= BUSY_SHARE:
        return  # more threads would only wait for the interpreter
    now, processes = plan.web.threads, plan.web.processes
    at_once = figures.queue + figures.python + figures.sql
    share = figures.python / (figures.python + figures.sql) if figures.sql else 1.0
    useful = math.ceil(1 / share) if share else MOST_THREADS
    wanted = max(now + 1, math.ceil(at_once / BUSY_SHARE / processes))
    to = min(wanted, max(useful, now), MOST_THREADS)
    if to > now:
        each = figures.each(figures.python + figures.sql)
        because = (
            f"{figures.requests:.1f} requests/s x ({each:.3f} s at work + {wait:.3f} s until a "
            f"thread is free) = {at_once:.1f} at a time (Little's law); / {BUSY_SHARE} / "
            f"{processes} processes"
        )
        brings = f"up to {wait:.3f} s less a request"
        yield Advice("STACK_THREADS", str(now), str(to), because, brings)


def _coming(figures: Measured) -> float:
    """Requests at a time that will need a backend once those waiting for a thread have one."""
    asked = figures.pool_wait + figures.sql
    work = figures.python + asked
    return figures.queue * asked / work if work else 0.0


def _pool(figures: Measured, plan: Plan, threads: int, coming: float) -> Iterator[Advice]:
    wait, now = figures.each(figures.pool_wait), plan.pooler.default_pool_size
    waits = wait >= WAIT_SECONDS and figures.pool_wait >= WAIT_SHARE * figures.sql
    if waits and figures.lock_waiters > now / 2:
        text = f"{figures.lock_waiters:.1f} sessions at a time wait for a lock"
        yield Advice("", "", "", text, "whoever holds it (status names it) first: no pool helps")
        return
    wanted = math.ceil((figures.lent + figures.pool_wait + coming) / BUSY_SHARE)
    to = min(max(now + 1, wanted) if waits else wanted, threads)
    if to > now and (waits or coming):
        more = f" and {coming:.1f} that new threads let in" if coming else ""
        because = (
            f"{figures.lent:.1f} backends in use, {figures.pool_wait:.1f} requests at a time that "
            f"wait for one{more}; / {BUSY_SHARE}, at most {threads} threads"
        )
        busy = figures.cpu is not None and figures.cpu >= BUSY_SHARE
        limit = f"; little where processors are the limit ({figures.cpu:.0%} busy)" if busy else ""
        brings = f"up to {wait:.3f} s less a request" if waits else "no queue behind new threads"
        yield Advice("STACK_POOL_SIZE", str(now), str(to), because, f"{brings}{limit}")


def _memory(figures: Measured, plan: Plan) -> Iterator[Advice]:
    share = plan.web.memory_per_process
    if figures.memory is None or figures.memory <= share:
        return
    to = math.ceil(MEMORY_ROOM * figures.memory / MB)
    yield Advice(
        "STACK_PROCESS_MEMORY",
        f"{share // MB}m",
        f"{to}m",
        f"the largest web process takes {figures.memory / MB:.0f} MB; x {MEMORY_ROOM}",
        "the plan counts what is there, and takes no process for one that leaks",
    )


def _workers(figures: Measured, plan: Plan) -> Iterator[Advice]:
    most = plan.apache.max_request_workers
    if figures.workers <= WORKERS_SHARE * most:
        return
    wanted = math.ceil(figures.workers / WORKERS_SHARE)
    steps = plan.apache.server_limit * plan.apache.slow_clients // STEP_WORKERS
    steps += math.ceil((wanted - most) / STEP_WORKERS)
    because = f"{figures.workers:.0f} of {most} workers of Apache were busy; / {WORKERS_SHARE}"
    if steps > CROWD_STEPS:
        yield Advice("", "", "", because, "a second web host: one has no more workers")
        return
    memory = math.ceil(steps * STEP_BYTES * CROWD_DIVISOR / MEMORY_STEP) * MEMORY_STEP
    yield Advice(
        "STACK_MEMORY",
        f"{plan.memory.total // MB}m",
        f"{max(memory, plan.memory.total) // MB}m",
        f"{because} = {wanted}: 1/{CROWD_DIVISOR} of memory is theirs, 6 MB for {STEP_WORKERS}",
        "room for those who send slowly, if the machine has that memory",
    )


def _timeout(figures: Measured, plan: Plan) -> Iterator[Advice]:
    now = plan.web.request_timeout
    if figures.p99 is None or figures.p99 < REQUEST_SHARE * now:
        return
    if figures.queue + figures.pool_wait > WAIT_SHARE * (figures.python + figures.sql):
        return  # they are slow because they wait: that has to be mended first
    yield Advice(
        "STACK_REQUEST_TIMEOUT",
        str(now),
        str(math.ceil(REQUEST_TIMES * figures.p99)),
        f"one request in a hundred takes {figures.p99:.1f} s; x {REQUEST_TIMES}",
        "slow pages that are meant to be slow are answered",
    )


def quantities(figures: Measured, plan: Plan) -> dict[str, str]:
    """What each input is meant to improve, as it is now."""
    memory = "unknown" if figures.memory is None else f"{figures.memory / MB:.0f} MB a process"
    return {
        "STACK_PROCESSES": f"{in_python(figures, plan):.2f} requests a process run Python",
        "STACK_THREADS": f"{figures.each(figures.queue):.3f} s until a thread is free",
        "STACK_POOL_SIZE": f"{figures.each(figures.pool_wait):.3f} s until a backend is free",
        "STACK_PROCESS_MEMORY": f"{memory} of {plan.web.memory_per_process // MB} MB",
        "STACK_MEMORY": f"{figures.workers:.0f} of {plan.apache.max_request_workers} workers busy",
        "STACK_REQUEST_TIMEOUT": f"p99 {figures.p99 or 0:.1f} s of {plan.web.request_timeout} s",
    }


ADVISED: dict[str, Callable[[Plan], str]] = {
    "STACK_PROCESSES": lambda plan: str(plan.web.processes),
    "STACK_THREADS": lambda plan: str(plan.web.threads),
    "STACK_POOL_SIZE": lambda plan: str(plan.pooler.default_pool_size),
    "STACK_PROCESS_MEMORY": lambda plan: f"{plan.web.memory_per_process // MB}m",
    "STACK_MEMORY": lambda plan: f"{plan.memory.total // MB}m",
    "STACK_REQUEST_TIMEOUT": lambda plan: str(plan.web.request_timeout),
}
"""inputs that may be advised, and the value of each in a plan"""


def without_statements(figures: Measured) -> Measured:
    """What is kept for a check: texts of statements are nobody's business later."""
    return replace(figures, statements=())
