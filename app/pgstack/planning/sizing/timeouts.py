"""All timeouts, in sixths of the longest request (STACK_REQUEST_TIMEOUT, at least 6 s, so that none
is zero).

A caller gives up later than what it waits for: otherwise it would not show which of them was
slow. The invariants check the order.
"""

from __future__ import annotations

PARTS = 6

FORGOTTEN = 1
"""a PAUSE that lasts longer is ended by the local target's guard: half of WAIT, for it may need
several looks"""
LOCK = 1
"""PostgreSQL lock_timeout: a statement that waits for a lock leaves time to try again or to say
so"""
PATIENCE = 1
"""a wait for a PostgreSQL or PgBouncer that is coming back (PATIENCE_SECONDS of `default`), from
the beginning of the outage: 5 s of 30; a planned restart takes one or two, recovery of a small
database three (docs/drills.md)"""
RESERVE = 1
"""PgBouncer reserve_pool_timeout: half of WAIT, so the reserve still helps who waits; 5 s of 30,
its default"""
WAIT = 2
"""a wait for a free thread (pgstack.serving.wait_limit) or a free backend (query_wait_timeout):
with the longest statement after it, a request still ends in time"""
IDLE = 2
"""PostgreSQL idle_in_transaction_session_timeout: a request that holds a backend and does something
else"""
SHUTDOWN = 2
"""mod_wsgi shutdown-timeout: a request that is still there when draining is over"""
DRAIN = 3
"""mod_wsgi graceful-timeout and eviction-timeout: longer than all but stuck requests take, shorter
than the rest"""
STATEMENT = 4
"""PostgreSQL statement_timeout: what WAIT leaves"""
QUERY = 5
"""PgBouncer query_timeout: only where PostgreSQL itself no longer answers"""
REQUEST = 6
"""mod_wsgi request-timeout, socket-timeout (Apache tells the client) and deadlock-timeout,
PostgreSQL transaction_timeout, Apache GracefulShutdownTimeout; the watchdog ends the process
WATCHDOG_SECONDS later"""
WATCHDOG_SECONDS = 1
"""so that Apache has answered the client before the process ends"""
CLIENT = 12
"""Apache Timeout, between two packets of a client or an answer of the daemon: never before the
request's own"""


# Of workers: no visitor waits for a task.
TASK_LOCK = 6
TASK_IDLE = 6
"""a task may ask somebody else while it holds a backend; the pool is its own"""
TASK_PATIENCE = 5
"""a worker waits longer than a page for a database that is coming back"""
TASK_STATEMENT = 60
TASK_QUERY = 66
"""PgBouncer query_timeout, of all its databases, where there are workers: 330 s of 30"""
TASK_TRANSACTION = 120
GRACE = 12
"""that a worker has to finish what it does, when nothing else was said"""

PAGE = {
    "statement_timeout": STATEMENT,
    "lock_timeout": LOCK,
    "idle_in_transaction_session_timeout": IDLE,
    "transaction_timeout": REQUEST,
}
"""settings of a page's backends"""
TASK = {
    "statement_timeout": TASK_STATEMENT,
    "lock_timeout": TASK_LOCK,
    "idle_in_transaction_session_timeout": TASK_IDLE,
    "transaction_timeout": TASK_TRANSACTION,
}
"""those of a worker's"""
TRANSACTION_TIMEOUT_SINCE = 17
"""major version of PostgreSQL that has transaction_timeout"""

BODY_SECONDS = 24 * 3600
"""mod_wsgi queue-timeout: longer than a body may take, for it must never end a wait. It has to be
set: only then does Apache ask a web process before it hands over a request
(pgstack.serving.wait_limit)."""


def seconds(request_timeout: int, parts: int) -> int:
    """Whole seconds that are `parts` sixths of `request_timeout`, rounded down."""
    return request_timeout * parts // PARTS


def of_backends(parts: dict[str, int], request_timeout: int, postgresql: int) -> dict[str, str]:
    """Settings of backends, whoever used them before; `postgresql` is its major version."""
    known = {
        name: part
        for name, part in parts.items()
        if name != "transaction_timeout" or postgresql >= TRANSACTION_TIMEOUT_SINCE
    }
    return {
        "timezone": "UTC",
        **{name: f"{seconds(request_timeout, part)}s" for name, part in known.items()},
    }


def text(request_timeout: int, parts: int) -> str:
    """The arithmetic of `seconds` in words, for the plan's reasons."""
    return f"{request_timeout} s request timeout x {parts}/{PARTS}"
