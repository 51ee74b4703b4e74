"""Requests wait instead of failing while PostgreSQL restarts: PgBouncer holds them back before
their next transaction.

They wait in Apache, whose workers may all be taken meanwhile, as they may while web processes are
replaced. It would then close kept connections under a request, so there are none: every answer
closes its connection until all is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pgstack.errors import ProbeError, TargetError
from pgstack.live.probes import pooler
from pgstack.ops import drain
from pgstack.planning.plan import Plan


@contextmanager
def disable_keepalive(plan: Plan) -> Iterator[None]:
    """Within it Apache keeps no connection open: while its workers are all busy, it would drop
    kept-alive connections with a request in flight.

    The mark is there before requests are held back, so it also arms the guard: once
    the directory's lock is free although the mark is there, the command was killed, and the guard
    lets requests go on.
    """
    drain.mark(plan).touch()
    try:
        time.sleep(drain.grace(plan))
        yield
        time.sleep(drain.SETTLE_SECONDS)
    finally:
        enable_keepalive(plan)


@contextmanager
def paused(plan: Plan) -> Iterator[None]:
    """Within it no transaction runs and none begins; afterwards they go on, whatever happened.

    Raises TargetError when a transaction does not end in time.
    """
    try:
        _pause(plan)
        yield
    finally:
        resume(plan)


def _pause(plan: Plan) -> None:
    try:
        pooler.command(plan, "PAUSE", drain.patience(plan))
    except ProbeError as error:
        raise TargetError(
            f"PostgreSQL was not restarted, for a transaction did not end: {error}"
        ) from None


def resume(plan: Plan) -> bool:
    """Let held-back requests go on, all of them or those of the database; False when none were held
    back."""
    answers = [pooler.refusals(plan, command) for command in drain.resumes(plan)]
    return any(None in refusals for refusals in answers)  # one that was not paused refuses


def enable_keepalive(plan: Plan) -> None:
    """Let Apache keep connections open again."""
    drain.mark(plan).unlink(missing_ok=True)
