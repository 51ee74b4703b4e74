"""Requests wait instead of failing while PostgreSQL restarts: PgBouncer holds them back before
their next transaction.

They wait in Apache, whose workers may all be taken meanwhile, as they may while web processes are
replaced. It would then close kept connections under a request, so there are none: every answer
closes its connection until all is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pgstack.errors import ProbeError, TargetError
from pgstack.live.probes import pooler
from pgstack.planning.plan import Plan

SETTLE_SECONDS = 2
"""while those that waited are answered, all workers of Apache are busy"""


def patience(plan: Plan) -> float:
    """Seconds for one step while requests are held back: half of what they may wait for a
    backend."""
    return plan.pooler.query_wait_timeout / 2


@contextmanager
def let_go(plan: Plan) -> Iterator[None]:
    """Within it Apache keeps no connection open: it would close them under a request while its
    workers are all busy."""
    draining(plan).touch()
    try:
        time.sleep(plan.apache.keep_alive_timeout + 1)
        yield
        time.sleep(SETTLE_SECONDS)
    finally:
        keep(plan)


@contextmanager
def held(plan: Plan) -> Iterator[None]:
    """Within it no transaction runs and none begins; afterwards they go on, whatever happened.

    Raises TargetError when a transaction does not end in time.
    """
    try:
        _pause(plan)
        yield
    finally:
        go_on(plan)


def _pause(plan: Plan) -> None:
    try:
        pooler.command(plan, "PAUSE", patience(plan))
    except ProbeError as error:
        raise TargetError(
            f"PostgreSQL was not restarted, for a transaction did not end: {error}"
        ) from None


def go_on(plan: Plan) -> bool:
    """Let requests go on that somebody held back, all of them or those of the database; False when
    nobody had."""
    resumed = False
    for command in ("RESUME", f"RESUME {plan.postgres.database}"):
        with suppress(ProbeError):  # it was not paused
            pooler.command(plan, command)
            resumed = True
    return resumed


def keep(plan: Plan) -> None:
    """Let Apache keep connections open again."""
    draining(plan).unlink(missing_ok=True)


def draining(plan: Plan) -> Path:
    """File that makes Apache close each connection after its answer (apache2.conf).

    It is there before requests are held back, so it also arms the guard: where nobody holds the
    directory's lock any more, whoever made it was killed, and the guard lets requests go on.
    """
    return Path(plan.paths.run_apache, "drain")
