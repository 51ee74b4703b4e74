"""The timeouts of all servers, and which of them must end before which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgstack.planning.inequalities import Invariant, ascending
from pgstack.planning.plan import Plan


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


def check(values: Timeouts) -> Iterator[Invariant]:
    """A caller must time out later than what it waits for, or it would not show who was slow. For
    planned and for live values."""
    end = {"request-timeout": values.request, "Apache Timeout": values.apache}
    query = {"statement_timeout": values.statement, "query_timeout": values.query}
    if values.task is None:
        yield ascending("timeouts of a query in s", {**query, **end})
    else:
        # PgBouncer has one query_timeout for all, and a task's query may take longer than a page.
        yield ascending("timeouts of a query in s", {"statement_timeout": values.statement, **end})
        tasks = {**query, "statement_timeout of workers": values.task}
        order = ("statement_timeout", "statement_timeout of workers", "query_timeout")
        yield ascending("timeouts of a task's query in s", {name: tasks[name] for name in order})
    yield ascending(
        "timeouts of a wait for the pool in s", {"query_wait_timeout": values.query_wait, **end}
    )
    paused = {"forgotten PAUSE": values.pause, "query_wait_timeout": values.query_wait}
    yield ascending("timeouts of a PAUSE in s", paused)
    restart = {"shutdown-timeout": values.shutdown, "graceful-timeout": values.graceful}
    yield ascending("timeouts of a restart in s", {**restart, "request-timeout": values.request})
    yield ascending(
        "timeouts of the queue in s", {"queue": values.queue, "request-timeout": values.request}
    )
    # Apache tells the client before the process ends.
    hung = {
        "socket-timeout": values.socket,
        "watchdog": values.watchdog,
        "Apache Timeout": values.apache,
    }
    yield ascending("timeouts of a hung request in s", hung)
    held = {"deadlock-timeout": values.deadlock, "Apache Timeout": values.apache}
    yield ascending("timeouts of a held interpreter in s", held)


def planned(plan: Plan) -> Timeouts:
    """The timeouts of a plan."""
    web = plan.web
    return Timeouts(
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
