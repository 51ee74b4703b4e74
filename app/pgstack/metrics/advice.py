"""Which inputs to change, by what was measured and what is planned: one pure function, `advise`.

Docs: docs/advice.md. A number that is asked for leaves room: what is planned is to be in use up to
BUSY_SHARE on the mean.
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
"""of what is planned that may be in use on the mean: with more, those who come wait longer than
they are served (queues of few servers)"""
WAIT_SECONDS = 0.005
"""of a request, that nobody notices"""
WAIT_SHARE = 0.1
"""of the time that is worked or asked: below it a wait is not what is slow"""
MEMORY_ROOM = 1.25
"""as the planner takes of what was measured (docs/measurements.md)"""
WORKERS_SHARE = 0.6
"""of Apache's workers that were busy at the most: at 0.8 somebody is woken (docs/alerts.md)"""
REQUEST_SHARE, REQUEST_TIMES = 0.5, 2
"""of the longest request that one in a hundred takes; the new limit is so many times that"""
MOST_THREADS = 64


@dataclass(frozen=True)
class Advice:
    """An input, what it is now and should be; without an input only what is to be known."""

    input: str
    now: str
    to: str
    because: str
    """the arithmetic"""
    brings: str


def advise(found: Measured, plan: Plan) -> list[Advice]:
    """What to change; nothing where all is well."""
    threads = list(_threads(found, plan))
    most = int(threads[0].to) * plan.web.processes if threads else plan.web.requests
    return [
        *_processes(found, plan),
        *threads,
        *_pool(found, plan, most * plan.web.hosts, _coming(found) if threads else 0.0),
        *_memory(found, plan),
        *_workers(found, plan),
        *_timeout(found, plan),
    ]


def in_python(found: Measured, plan: Plan) -> float:
    """Threads of one process that run Python or wait for its lock: it runs one at a time."""
    return found.python / plan.web.processes


def _processes(found: Measured, plan: Plan) -> Iterator[Advice]:
    busy = in_python(found, plan)
    if busy < BUSY_SHARE:
        return
    now, cores = plan.web.processes, plan.cores
    because = f"{found.python:.1f} requests at a time run Python in {now} processes, one at a time"
    to = min(cores, math.ceil(found.python / BUSY_SHARE))
    idle = found.cpu is None or found.cpu < BUSY_SHARE
    if to > now and idle:
        used = "" if found.cpu is None else f"; processors are busy to {found.cpu:.0%}"
        because += f": {found.python:.1f} / {BUSY_SHARE}, at most {cores} cores{used}"
        yield Advice(
            "STACK_PROCESSES", str(now), str(to), because, "pages wait less for each other"
        )
    elif not idle:
        because += f", and processors are busy to {found.cpu:.0%}"
        yield Advice("", "", "", because, "only more cores, or pages that do less, bring more")


def _threads(found: Measured, plan: Plan) -> Iterator[Advice]:
    wait, work = found.each(found.queue), found.python + found.pool_wait + found.sql
    if wait < WAIT_SECONDS or found.queue < WAIT_SHARE * work:
        return
    if in_python(found, plan) >= BUSY_SHARE:
        return  # more threads would only wait for the interpreter
    now, processes = plan.web.threads, plan.web.processes
    at_once = found.queue + found.python + found.sql
    share = found.python / (found.python + found.sql) if found.sql else 1.0
    useful = math.ceil(1 / share) if share else MOST_THREADS
    wanted = max(now + 1, math.ceil(at_once / BUSY_SHARE / processes))
    to = min(wanted, max(useful, now), MOST_THREADS)
    if to > now:
        each = found.each(found.python + found.sql)
        because = (
            f"{found.requests:.1f} requests/s x ({each:.3f} s at work + {wait:.3f} s until a "
            f"thread is free) = {at_once:.1f} at a time (Little's law); / {BUSY_SHARE} / "
            f"{processes} processes"
        )
        brings = f"up to {wait:.3f} s less a request"
        yield Advice("STACK_THREADS", str(now), str(to), because, brings)


def _coming(found: Measured) -> float:
    """Requests at a time that will want a backend once those who wait for a thread have one."""
    asked = found.pool_wait + found.sql
    work = found.python + asked
    return found.queue * asked / work if work else 0.0


def _pool(found: Measured, plan: Plan, threads: int, coming: float) -> Iterator[Advice]:
    wait, now = found.each(found.pool_wait), plan.pooler.default_pool_size
    waits = wait >= WAIT_SECONDS and found.pool_wait >= WAIT_SHARE * found.sql
    if waits and found.lock_waiters > now / 2:
        text = f"{found.lock_waiters:.1f} sessions at a time wait for a lock"
        yield Advice("", "", "", text, "whoever holds it (status names it) first: no pool helps")
        return
    wanted = math.ceil((found.lent + found.pool_wait + coming) / BUSY_SHARE)
    to = min(max(now + 1, wanted) if waits else wanted, threads)
    if to > now and (waits or coming):
        more = f" and {coming:.1f} that new threads let in" if coming else ""
        because = (
            f"{found.lent:.1f} backends in use, {found.pool_wait:.1f} requests at a time that "
            f"wait for one{more}; / {BUSY_SHARE}, at most {threads} threads"
        )
        busy = found.cpu is not None and found.cpu >= BUSY_SHARE
        limit = f"; little where processors are the limit ({found.cpu:.0%} busy)" if busy else ""
        brings = f"up to {wait:.3f} s less a request" if waits else "no queue behind new threads"
        yield Advice("STACK_POOL_SIZE", str(now), str(to), because, f"{brings}{limit}")


def _memory(found: Measured, plan: Plan) -> Iterator[Advice]:
    share = plan.web.memory_per_process
    if found.memory is None or found.memory <= share:
        return
    to = math.ceil(MEMORY_ROOM * found.memory / MB)
    yield Advice(
        "STACK_PROCESS_MEMORY",
        f"{share // MB}m",
        f"{to}m",
        f"the largest web process takes {found.memory / MB:.0f} MB; x {MEMORY_ROOM}",
        "the plan counts what is there, and takes no process for one that leaks",
    )


def _workers(found: Measured, plan: Plan) -> Iterator[Advice]:
    most = plan.apache.max_request_workers
    if found.workers <= WORKERS_SHARE * most:
        return
    wanted = math.ceil(found.workers / WORKERS_SHARE)
    steps = plan.apache.server_limit * plan.apache.slow_clients // STEP_WORKERS
    steps += math.ceil((wanted - most) / STEP_WORKERS)
    because = f"{found.workers:.0f} of {most} workers of Apache were busy; / {WORKERS_SHARE}"
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


def _timeout(found: Measured, plan: Plan) -> Iterator[Advice]:
    now = plan.web.request_timeout
    if found.p99 is None or found.p99 < REQUEST_SHARE * now:
        return
    if found.queue + found.pool_wait > WAIT_SHARE * (found.python + found.sql):
        return  # they are slow because they wait: that is to be mended first
    yield Advice(
        "STACK_REQUEST_TIMEOUT",
        str(now),
        str(math.ceil(REQUEST_TIMES * found.p99)),
        f"one request in a hundred takes {found.p99:.1f} s; x {REQUEST_TIMES}",
        "slow pages that are meant to be slow are answered",
    )


def quantities(found: Measured, plan: Plan) -> dict[str, str]:
    """What each input is to mend, as it is now."""
    memory = "unknown" if found.memory is None else f"{found.memory / MB:.0f} MB a process"
    return {
        "STACK_PROCESSES": f"{in_python(found, plan):.2f} requests a process run Python",
        "STACK_THREADS": f"{found.each(found.queue):.3f} s until a thread is free",
        "STACK_POOL_SIZE": f"{found.each(found.pool_wait):.3f} s until a backend is free",
        "STACK_PROCESS_MEMORY": f"{memory} of {plan.web.memory_per_process // MB} MB",
        "STACK_MEMORY": f"{found.workers:.0f} of {plan.apache.max_request_workers} workers busy",
        "STACK_REQUEST_TIMEOUT": f"p99 {found.p99 or 0:.1f} s of {plan.web.request_timeout} s",
    }


ADVISED: dict[str, Callable[[Plan], str]] = {
    "STACK_PROCESSES": lambda plan: str(plan.web.processes),
    "STACK_THREADS": lambda plan: str(plan.web.threads),
    "STACK_POOL_SIZE": lambda plan: str(plan.pooler.default_pool_size),
    "STACK_PROCESS_MEMORY": lambda plan: f"{plan.web.memory_per_process // MB}m",
    "STACK_MEMORY": lambda plan: f"{plan.memory.total // MB}m",
    "STACK_REQUEST_TIMEOUT": lambda plan: str(plan.web.request_timeout),
}
"""inputs that are advised, and what each is in a plan"""


def without_statements(found: Measured) -> Measured:
    """What is kept for a check: texts of statements are nobody's business later."""
    return replace(found, statements=())
